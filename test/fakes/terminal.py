# A terminal for tests: runs a program on a pseudo-terminal, and plays a script of what to wait for and what to type.
# stdin: {"args": [...], "cwd": "...", "env": {...}, "steps": [{"expect": "regex", "send": "text"}, ...], "timeout": seconds}
# stdout: {"exit": code, "screen": "everything that was written", "missing": "the regex that never came" or null}
import json, os, pty, re, select, signal, struct, sys, fcntl, termios, time

plan = json.load(sys.stdin)
pid, fd = pty.fork()
if pid == 0:
    os.chdir(plan["cwd"])
    os.execvpe(plan["args"][0], plan["args"], plan["env"])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))

screen = ""
seen = 0
missing = None
deadline = time.monotonic() + plan.get("timeout", 60)


def read_some(wait):
    global screen
    ready, _, _ = select.select([fd], [], [], wait)
    if not ready:
        return True
    try:
        data = os.read(fd, 65536)
    except OSError:
        return False
    if not data:
        return False
    screen += data.decode("utf-8", "replace")
    return True


alive = True
for step in plan["steps"]:
    pattern = re.compile(step["expect"])
    found = pattern.search(screen, seen)
    while not found and alive and time.monotonic() < deadline:
        alive = read_some(0.05)
        found = pattern.search(screen, seen)
    if not found:
        missing = step["expect"]
        break
    seen = found.end()
    os.write(fd, step.get("send", "").encode())

while alive and missing is None and time.monotonic() < deadline:
    alive = read_some(0.05)
code = None
while time.monotonic() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        code = os.waitstatus_to_exitcode(status)
        break
    if missing is not None:
        break
    time.sleep(0.02)
if code is None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
json.dump({"exit": code, "screen": screen, "missing": missing}, sys.stdout)
