// Attempts at files outside of the workspace: links, /proc, descriptors, mounts, planted git settings, twins of tools.
import { type EscapeCase, attempt as e, py } from "./escape-case.ts"

export const FILE_ESCAPES: readonly EscapeCase[] = [
  // Links, hard and symbolic, and what swaps under a look.
  e("hard link out", "ln {canary} hard; cat hard; echo gone > hard", "a second name for a file outside"),
  e("hard link into the folder outside", "ln notes.txt {outside}/{mark}", "a second name of mine outside"),
  e("hard link through /proc", "ln -L /proc/self/fd/9 hard 9< {canary}; cat hard", "a descriptor is linked"),
  e(
    "link chain",
    "ln -s {outside} a; ln -s a b; ln -s b/../outside c; cat b/* c/*; echo x > b/{mark}",
    "links to links",
  ),
  e(
    "link in place of a folder",
    "mv src gone; ln -s {outside} src; echo x > src/{mark}; cat src/*",
    "a folder becomes a link",
  ),
  e(
    "link of the workspace itself",
    'cd ..; mv "$OLDPWD" old; ln -s {outside} "$OLDPWD"; cat "$OLDPWD"/*',
    "the workspace is swapped",
  ),
  e(
    "workspace swapped by rename",
    py(`import os
w = os.getcwd()
try: os.rename(w, w + "-{mark}")
except OSError as e: print(e)
try: os.symlink("{outside}", w)
except OSError as e: print(e)`),
    "the workspace is swapped",
  ),
  e(
    "symlink race",
    py(`import os, threading
os.symlink("notes.txt", "race"); end = []
def swap():
  while not end:
    for to in ("{canary}", "notes.txt"):
      try: os.symlink(to, "t"); os.rename("t", "race")
      except OSError: pass
t = threading.Thread(target=swap); t.start()
for i in range(3000):
  try:
    with open("race", "r+") as f: print(f.read(64)[:64]); f.write("x")
  except OSError: pass
end.append(1); t.join()`),
    "the link is swapped between the look and the opening",
  ),
  e(
    "rename exchange",
    py(`import ctypes, os
os.symlink("{canary}", "x"); libc = ctypes.CDLL(None)
print(libc.renameat2(-100, b"x", -100, b"notes.txt", 2)); print(open("notes.txt").read())`),
    "two names are exchanged at once",
  ),
  e("magic link", "cat /proc/self/fd/3 3< {canary}; cat /dev/fd/3 3< {canary}", "a link that is an open file"),
  e("dots without end", "cat ../../../../../../../../..{canary}; cat /..{canary}; cat //{canary}", "up and down again"),
  e(
    "tar with links",
    py(`import tarfile, io
t = tarfile.open("a.tar", "w"); i = tarfile.TarInfo("l"); i.type = tarfile.SYMTYPE; i.linkname = "{outside}"; t.addfile(i)
j = tarfile.TarInfo("l/{mark}"); j.size = 1; t.addfile(j, io.BytesIO(b"x")); t.close()`) +
      "; tar xf a.tar; ls -la l/; cat l/*",
    "an archive leads outside",
  ),
  e(
    "tar with absolute names",
    "tar cPf a.tar {canary} 2>&1; tar xPf a.tar; tar xOf a.tar",
    "an archive of absolute paths",
  ),
  e(
    "cpio and unzip by dots",
    py(`import zipfile
z = zipfile.ZipFile("a.zip", "w"); z.writestr("../../outside/{mark}", "x"); z.close()`) +
      "; python3 -m zipfile -e a.zip .; unzip -o a.zip",
    "an archive with dots",
  ),
  e("fifo and canary", "mkfifo p; (cat {canary} > p &) ; timeout 1 cat p", "through a pipe with a name"),
  // /proc, /sys, /dev.
  e("proc root of one", "cat /proc/1/root{canary}; ls /proc/1/root{outside}", "the root of the first process"),
  e(
    "proc root of the daemon",
    "cat /proc/{daemon}/root{canary}; ls /proc/{daemon}/cwd /proc/{daemon}/fd",
    "the root of the daemon",
  ),
  e(
    "proc cwd of all",
    "for p in /proc/[0-9]*; do cat $p/cwd/../outside/* $p/root{canary}; done",
    "the folder of every process",
  ),
  e(
    "proc fd of all",
    "for f in /proc/*/fd/*; do timeout 1 head -c 200 $f < /dev/null; done; for f in /proc/self/fd/*; do echo gone > $f; done",
    "what others have open",
  ),
  e(
    "proc map files",
    "cat /proc/*/map_files/* | head -c 100; cat /proc/*/environ | tr '\\0' '\\n'",
    "the memory of others",
  ),
  e(
    "proc mem",
    py(`
for p in ("1", "{victim}", "{daemon}"):
  try: f = open("/proc/%s/mem" % p, "r+b"); print("OPENED", p)
  except OSError as e: print(e)`),
    "the memory of others",
  ),
  e(
    "proc sys",
    "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/fs/binfmt_misc/register; do echo '|/bin/sh -c \"touch {canary}\"' > $f; done",
    "the kernel starts programs",
  ),
  e(
    "core pattern and a crash",
    "echo '|{outside}/x' > /proc/sys/kernel/core_pattern; ulimit -c unlimited; sh -c 'kill -SEGV $$'",
    "a crash starts a program",
  ),
  e("sysrq", "echo h > /proc/sysrq-trigger; echo 1 > /proc/sys/kernel/sysrq", "the keys of the kernel"),
  e(
    "oom and limits of others",
    "echo 1000 > /proc/{victim}/oom_score_adj; prlimit --pid {victim} --nofile=1",
    "another process is changed",
  ),
  e(
    "kernel memory",
    "head -c 64 /proc/kcore; head -c 64 /dev/mem; head -c 64 /dev/kmem; dmesg | tail -3; cat /proc/kmsg",
    "the memory of the kernel",
  ),
  e(
    "uid map",
    "echo '0 0 4294967295' > /proc/self/uid_map; echo deny > /proc/self/setgroups; id -u; cat /etc/shadow",
    "becoming root in one's own map",
  ),
  e(
    "cgroup escape",
    "mkdir /sys/fs/cgroup/{mark}; mount -t cgroup -o rdma x /tmp/c; echo '{outside}/x' > /sys/fs/cgroup/release_agent; echo 1 > /sys/fs/cgroup/notify_on_release",
    "a release agent",
  ),
  e(
    "uevent helper",
    "echo {outside}/x > /sys/kernel/uevent_helper; echo change > /sys/class/mem/null/uevent",
    "an uevent helper",
  ),
  e(
    "block devices",
    "for d in $(ls /dev | head -50) ; do case $d in sd*|vd*|nvme*|dm-*|loop*) dd if=/dev/$d bs=64 count=1;; esac; done; mknod disk b 8 0; cat disk; mknod m c 1 1; head -c 9 m",
    "disks and memory as devices",
  ),
  e(
    "open by handle",
    py(`import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
class H(ctypes.Structure): _fields_ = [("n", ctypes.c_uint), ("t", ctypes.c_int), ("b", ctypes.c_ubyte * 8)]
h = H(8, 1, (ctypes.c_ubyte * 8)(2)); import os
d = os.open(".", 0); fd = libc.open_by_handle_at(d, ctypes.byref(h), 0); print(fd, ctypes.get_errno())
if fd >= 0: os.fchdir(fd); print(os.listdir("."))
`),
    "the root of the disk by its number",
  ),
  e(
    "fchdir out of chroot",
    py(`import os
d = os.open("/", 0); os.mkdir("c")
try: os.chroot("c")
except OSError as e: print(e)
os.fchdir(d)
for i in range(99): os.chdir("..")
print(os.listdir("."), os.path.exists("{canary}"[1:]))
`),
    "out of a root of one's own",
  ),
  // Set-uid, start files, what runs later.
  e(
    "set-uid shell",
    "cp /bin/sh s; chmod 6755 s; ./s -pc 'id -u; cat {canary}; touch {canary}'",
    "a shell with another's rights",
  ),
  e(
    "set-uid programs",
    "su -c 'touch {canary}' < /dev/null; sudo -n touch {canary}; pkexec touch {canary}; newgrp root < /dev/null; mount -o remount,rw /",
    "programs with root's rights",
  ),
  e(
    "file capabilities",
    "setcap all+ep notes.txt; cp /usr/bin/python3 p; setcap cap_dac_override+ep p; ./p -c 'print(open(\"{canary}\").read())'",
    "capabilities on a file",
  ),
  e(
    "start files of homes",
    "for f in ~/.bashrc /root/.bashrc /etc/profile /etc/ld.so.preload /etc/crontab /var/spool/cron/crontabs/root /etc/cron.d/{mark}; do echo 'touch {canary}' >> $f; done",
    "what runs at the next start",
  ),
  e(
    "programs of the system",
    "for d in /usr/local/bin /usr/bin /bin /opt /usr/lib; do echo x > $d/{mark}; done; echo x >> /usr/bin/env; mv /usr/bin/git /usr/bin/{mark}",
    "other programs are replaced",
  ),
  e(
    "temporary folders",
    "echo x > /tmp/{mark}; echo x > /var/tmp/{mark}; echo x > /dev/shm/{mark}; echo x > /run/{mark}; ls /tmp",
    "the shared folders are private",
  ),
  e(
    "shared memory",
    py(`from multiprocessing import shared_memory
s = shared_memory.SharedMemory("{mark}", True, 64); s.buf[:1] = b"x"; s.close()`),
    "a shared piece of memory stays",
  ),
  e("message queues", "ipcmk -Q; ipcmk -M 64; ipcs -q -m | head; ls /dev/mqueue", "queues of the machine"),
  e(
    "timers of the system",
    "systemd-run --user touch {canary}; systemctl --user list-timers; echo 'touch {canary}' | at now; (crontab -l; echo '* * * * * touch {canary}') | crontab -",
    "for later",
  ),
  e(
    "a file that grows",
    "head -c 3000000000 /dev/zero > big; ls -l big | awk '{print $5}'; rm -f big",
    "fills the disk",
  ),
  // Git: what is planted would run later, outside of the sandbox.
  e(
    "git hook planted",
    "echo 'touch {canary}' > .git/hooks/post-index-change; chmod +x .git/hooks/*; cp evil .git/hooks/pre-commit; mkdir -p .git/hooks/x",
    "a hook for the next git",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git hooks folder replaced",
    "mv .git/hooks .git/h; mkdir .git/hooks; rm -rf .git/hooks; ln -s $PWD/planted .git/hooks",
    "the folder of hooks is replaced",
    [{ path: "planted/post-index-change", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git config planted",
    "git config core.fsmonitor $PWD/evil; git config core.hooksPath $PWD; echo '[core]\nfsmonitor = ./evil' >> .git/config; sed -i 's/bare/fsmonitor=evil#/' .git/config",
    "a setting for the next git",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git config by rename",
    "echo '[core]\n\tfsmonitor = '$PWD/evil > c; mv -f c .git/config; cp c .git/config; ln -f c .git/config",
    "the file of settings is replaced",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git folder replaced",
    "cp -r .git copy; printf '[core]\\n\\tfsmonitor = %s/evil\\n' $PWD > copy/config; mv .git old; mv copy .git; rm -rf .git",
    "the whole folder is replaced",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git commondir",
    "mkdir -p common/objects common/refs; printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = %s/evil\\n' $PWD > common/config; echo ../common > .git/commondir",
    "settings are read from elsewhere",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  e(
    "git worktree settings",
    "git config extensions.worktreeConfig true; printf '[core]\\n\\tfsmonitor = %s/evil\\n' $PWD > .git/config.worktree",
    "settings of one work tree",
    [{ path: "evil", content: "#!/bin/sh\ntouch {canary}\n", mode: 0o755 }],
  ),
  // Twins and the search path.
  e(
    "program before the system's",
    "mkdir -p bin; printf '#!/bin/sh\\ntouch {canary}\\n' > bin/ls; chmod +x bin/ls; PATH=$PWD/bin:$PATH ls; hash -p $PWD/bin/ls cat; cat x",
    "another program of that name",
    [{ path: "x", content: "" }],
  ),
  e(
    "tool with a Cyrillic letter",
    "printf '#!/bin/sh\\ntouch {canary}\\n' > c\u0430t; chmod +x c\u0430t; ./c\u0430t notes.txt",
    "a twin of cat",
  ),
  e(
    "tool in full width",
    "printf '#!/bin/sh\\ntouch {canary}\\n' > \uff47\uff49\uff54; chmod +x \uff47\uff49\uff54; PATH=.:$PATH \uff47\uff49\uff54 status",
    "a twin of git",
  ),
  e(
    "canary by a twin",
    "cat {outside}/c\u0430nary.txt; cat {outside}/\uff43anary.txt; cat {outside}\u2215canary.txt",
    "a twin of the file's name",
  ),
  e(
    "loader by name",
    "/lib64/ld-linux-x86-64.so.2 /bin/sh -c 'touch {canary}'; /lib/ld-linux-aarch64.so.1 /bin/sh -c 'touch {canary}'",
    "a program through the loader",
  ),
  e(
    "library first",
    'printf \'#include <stdlib.h>\\nvoid __attribute__((constructor)) f(void){unsetenv("LD_PRELOAD");system("touch {canary}; cat {canary}");}\' > e.c; gcc -shared -fPIC -o e.so e.c && LD_PRELOAD=$PWD/e.so ls',
    "a library loaded first",
  ),
]
