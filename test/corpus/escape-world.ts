// Attempts at other processes, at name spaces and the terminal, at sockets and the network.
import { call, type EscapeCase, attempt as e, netEscape as n, py } from "./escape-case.ts"

const listen = (target: string) =>
  py(`import socket
s = socket.socket(socket.AF_UNIX); s.settimeout(2)
try: s.connect(${target}); s.send(b"GET /containers/json HTTP/1.0\\r\\n\\r\\n"); print("CONNECTED", s.recv(99))
except OSError as e: print(e)`)
const curl = "curl -sS -m 3 -o - "

export const WORLD_ESCAPES: readonly EscapeCase[] = [
  // Processes outside.
  e("kill a program outside", "kill -9 {victim}; kill -STOP {victim}; kill -9 {daemon}", "a signal to another"),
  e("kill everything", "(sleep 0.2; kill -9 -1) & kill -9 -{victim}; kill -TERM 0", "a signal to all"),
  e("ptrace", call("ptrace", 16, "{victim}", 0, 0), "a tracer attaches"),
  e("ptrace by seize", call("ptrace", "0x4206", "{daemon}", 0, 0), "a tracer attaches"),
  e("strace and gdb", "timeout 2 strace -p {victim}; timeout 2 gdb -p {victim} -batch", "a tracer attaches"),
  e("another's memory", call("process_vm_readv", "{victim}", 0, 0, 0, 0, 0), "memory is read across processes"),
  e("a handle of a process", call("pidfd_open", "{victim}", 0), "a descriptor of a process outside"),
  e(
    "left in the background",
    "sleep 613 & nohup sleep 613 > /dev/null 2>&1 & setsid sleep 613 & disown -a; echo started",
    "programs that stay",
  ),
  e(
    "a daemon",
    py(`import os, time
if os.fork() == 0:
  os.setsid()
  if os.fork() == 0:
    os.closerange(0, 99); time.sleep(613)
`),
    "forks twice and stays",
  ),
  e(
    "a program that hears nothing",
    `(trap '' TERM HUP INT; sleep 613) & (trap '' TERM; exec 1>&- 2>&-; sleep 613) &`,
    "stays when told to go",
  ),
  e("a fork bomb", ":(){ :|:& };: 2> /dev/null; sleep 0.3", "processes without end"),
  // Privileges, mounts, name spaces.
  e("mount", "mount -t tmpfs x /tmp; mount --bind / src; mount -o remount,rw /usr; umount -l /tmp /usr /etc", "mounts"),
  e("mount call", call("mount", 'b"/"', 'b"src"', 0, 4096, 0), "mounts by the call itself"),
  e("new mount calls", call("fsopen", 'b"tmpfs"', 0), "mounts by the newer calls"),
  e("open a tree", call("open_tree", -100, 'b"/"', 1), "mounts by the newer calls"),
  e(
    "unshare",
    "unshare -Ur cat {canary}; unshare -m true; unshare -rmpf --mount-proc true; unshare -n true",
    "new name spaces",
  ),
  e("unshare call", call("unshare", "0x10000000"), "a new user name space by the call itself"),
  e(
    "clone with a name space",
    py(`import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0), ctypes.get_errno())`),
    "a new user name space by clone",
  ),
  e("clone3", call("clone3", 0, 0), "clone with flags in memory"),
  e(
    "nsenter",
    "nsenter -t 1 -a cat {canary}; nsenter -t {daemon} -m cat {canary}; nsenter --mount=/proc/1/ns/mnt true",
    "another's name spaces",
  ),
  e("setns", call("setns", 0, 0), "another's name spaces by the call itself"),
  e(
    "sandbox in the sandbox",
    "bwrap --dev-bind / / cat {canary}; bwrap --bind / / --proc /proc touch {canary}",
    "a sandbox of one's own with everything in it",
  ),
  e("chroot and pivot", `chroot / cat {canary}; pivot_root . .; ${call("chroot", 'b"/"')}`, "another root"),
  e("kernel modules", `modprobe dummy; insmod x.ko; ${call("init_module", 0, 0, 0)}`, "code for the kernel"),
  e("bpf", call("bpf", 0, 0, 0), "programs in the kernel"),
  e("kernel keys", call("keyctl", 0, -3, 1), "keys of the session"),
  e("io_uring", call("io_uring_setup", 8, 0), "calls that no filter sees"),
  e("performance counters", call("perf_event_open", 0, 0, -1, -1, 0), "watching the machine"),
  e("page faults", call("userfaultfd", 1), "stopping the kernel half-way"),
  e(
    "terminal input",
    py(`import fcntl, os
for p in ("/dev/tty", "/dev/console", "/dev/pts/0", "/dev/tty1"):
  for how in (2, 0):
    try: f = os.open(p, how)
    except OSError as e: print(p, e); continue
    for c in "touch {canary}\\n":
      try: fcntl.ioctl(f, 0x5412, c.encode()); print("PUSHED")
      except OSError as e: print(e); break
for f in (0, 1, 2):
  try: fcntl.ioctl(f, 0x5412, b"x"); print("PUSHED")
  except OSError as e: print(e)
`),
    "characters typed into the terminal (TIOCSTI)",
  ),
  e(
    "terminal high bits",
    py(`import fcntl, ctypes
libc = ctypes.CDLL(None, use_errno=True)
for f in (0, 1, 2): print(libc.syscall(16, f, ctypes.c_ulong(0x100005412), b"x"), ctypes.get_errno())
`),
    "the same with more bits in the number",
  ),
  e(
    "becoming root",
    py(`import os
for f in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.setgid(0), lambda: os.chown("notes.txt", 0, 0)):
  try: f(); print("BECAME", os.getuid())
  except OSError as e: print(e)
try: print(open("/etc/shadow").read()[:9])
except OSError as e: print(e)
`),
    "another user",
  ),
  // Sockets of this machine.
  e("docker socket outside", listen('"{outside}/docker.sock"'), "the socket of a container service"),
  e(
    "docker socket by a link",
    `ln -s {outside}/docker.sock docker.sock; ${listen('"docker.sock"')}`,
    "the same through a link",
  ),
  e(
    "docker program",
    "DOCKER_HOST=unix://{outside}/docker.sock timeout 3 docker run -v /:/host alpine touch /host{canary}; curl -sS -m 2 --unix-socket {outside}/docker.sock http://x/",
    "the program of that service",
  ),
  e(
    "sockets of the system",
    [
      "/var/run/docker.sock",
      "/run/dbus/system_bus_socket",
      "/run/systemd/private",
      "/run/containerd/containerd.sock",
      "/tmp/.X11-unix/X0",
    ]
      .map((path) => listen(`"${path}"`))
      .join("; "),
    "services of the machine",
  ),
  e("abstract socket", listen('"\\0{abstract}"'), "a socket without a file"),
  e(
    "agents by variables",
    'ssh-add -l; gpg-connect-agent /bye; echo "$SSH_AUTH_SOCK$DBUS_SESSION_BUS_ADDRESS$DISPLAY$XDG_RUNTIME_DIR"',
    "agents that hold keys",
  ),
  e(
    "vsock",
    py(`import socket
for family in (40, 17, 30, 31, 38):
  try: s = socket.socket(family, 1, 0); s.settimeout(1); print("SOCKET", family); s.connect((2, 1234))
  except OSError as e: print(family, e)
`),
    "other kinds of sockets",
  ),
  e(
    "raw packets",
    py(`import socket
for a in ((17, 3, 768), (2, 3, 1), (2, 3, 255)):
  try: socket.socket(*a); print("RAW")
  except OSError as e: print(e)
`),
    "packets by hand",
  ),
  e(
    "network cards",
    "ip link add x type dummy; ip link set lo up; ip addr add 10.9.9.9/8 dev lo; ip route add default dev lo",
    "cards and routes",
  ),
  // The network: tried with no network, and with a profile that has the public one.
  ...(
    [
      ["loopback", "127.0.0.1"],
      ["localhost", "localhost"],
      ["IPv6 loopback", "[::1]"],
      ["decimal", "2130706433"],
      ["octal", "0177.0.0.1"],
      ["hexadecimal", "0x7f000001"],
      ["short", "127.1"],
      ["nothing", "0"],
      ["zero", "0.0.0.0"],
      ["mapped", "[::ffff:127.0.0.1]"],
      ["mapped in hexadecimal", "[::ffff:7f00:1]"],
      ["compatible", "[::127.0.0.1]"],
      ["translated", "[64:ff9b::7f00:1]"],
      ["6to4", "[2002:7f00:1::]"],
      ["another loopback", "127.255.255.254"],
      ["trailing dot", "localhost."],
      ["capitals", "LOCALHOST"],
      ["below localhost", "a.localhost"],
      ["full width", "\uff11\uff12\uff17.0.0.1"],
      ["circled", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460"],
      ["ideographic dots", "127\u30020\u30020\u30021"],
      ["percent", "%31%32%37.0.0.1"],
      ["user name", "example.com@127.0.0.1"],
      ["unspecified", "[::]"],
    ] as const
  ).map(([name, host]) =>
    n(
      `to loopback: ${name}`,
      `${curl} 'http://${host}:{port}/'; ${curl} -p 'http://${host}:{port}/'; ${curl} --noproxy '*' 'http://${host}:{port}/'`,
      "one more spelling of this machine",
    ),
  ),
  n(
    "by the proxy's own tongue",
    `python3 - <<'E'
import os, socket, urllib.parse
p = urllib.parse.urlparse(os.environ.get("http_proxy") or os.environ.get("HTTP_PROXY") or "http://127.0.0.1:1")
for target in ("127.0.0.1", "localhost", "[::1]", "0", "127.1", "0x7f.1", "[::ffff:127.0.0.1]", "localhost\\t", "127.0.0.1\\x00.example.com", "example.com:80@127.0.0.1"):
  for line in ("CONNECT %s:{port} HTTP/1.1\\r\\nHost: %s:{port}\\r\\n\\r\\n", "GET http://%s:{port}/ HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n"):
    try:
      s = socket.create_connection((p.hostname, p.port), 2); s.settimeout(2); s.sendall((line % (target, target)).encode()); print(s.recv(200))
    except OSError as e: print(e)
E`,
    "asks the proxy by hand",
  ),
  n(
    "host header",
    `${curl} -H 'Host: 127.0.0.1:{port}' http://198.18.0.1/; ${curl} --connect-to ::127.0.0.1:{port} http://example.com/; ${curl} --resolve example.com:80:127.0.0.1 http://example.com:{port}/`,
    "one host for the rule, another for the connection",
  ),
  n(
    "socks",
    `${curl} --socks5 127.0.0.1:1080 http://127.0.0.1:{port}/; ${curl} --socks5-hostname "\${http_proxy#http://}" http://127.0.0.1:{port}/; ${curl} --socks5-hostname "\${http_proxy#http://}" http://localhost:{port}/`,
    "through the other tongue of the proxy",
  ),
  n(
    "metadata",
    `for h in 169.254.169.254 [fd00:ec2::254] 100.100.100.200 168.63.129.16 metadata.google.internal; do ${curl} http://$h/latest/meta-data/; done`,
    "the secrets of clouds",
  ),
  n(
    "private networks",
    `for h in 10.0.0.1 172.17.0.1 192.168.0.1 198.18.0.1 169.254.1.1 [fe80::1] [fc00::1]; do ${curl} http://$h/; done`,
    "what is behind the machine",
  ),
  n(
    "names by hand",
    py(`import socket
s = socket.socket(2, 2); s.settimeout(1)
for to in (("127.0.0.1", {port}), ("127.0.0.53", 53), ("8.8.8.8", 53)):
  try: s.sendto(b"x" * 20, to); print(s.recv(99))
  except OSError as e: print(e)
`),
    "datagrams",
  ),
  n(
    "many ports",
    "for p in {port} 22 80 443 2375 5432 6379 8080; do (exec 3<>/dev/tcp/127.0.0.1/$p && echo CONNECTED; exec 3<>/dev/tcp/::1/$p && echo CONNECTED) 2> /dev/null; done; true",
    "whatever listens here",
  ),
  n(
    "git and ssh",
    "timeout 3 git ls-remote http://127.0.0.1:{port}/x; timeout 3 ssh -o StrictHostKeyChecking=no -p {port} 127.0.0.1 true; timeout 3 git ls-remote git://127.0.0.1:{port}/x",
    "other programs with a network",
  ),
  n(
    "a listener of its own",
    py(`import socket
s = socket.socket(); s.setsockopt(1, 2, 1)
try: s.bind(("0.0.0.0", {port})); s.listen(); print("LISTENS")
except OSError as e: print(e)
`),
    "the same port, within",
  ),
]
