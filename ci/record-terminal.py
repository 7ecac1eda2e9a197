#!/usr/bin/env python3
"""Records sockeye connect and sockeye bench in a terminal, as the animated picture docs/terminal.svg.

    ci/record-terminal.py [PROGRAM]     PROGRAM: target/release/sockeye by default

Needs tmux. The script types into a shell of its own tmux server and captures the screen whenever it
changes: the picture shows a real run of the real program, with its pauses shortened.
"""
import html
import os
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 80, 24
WIDTH, HEIGHT, SIZE, PADDING = 8.4, 18, 14, 12
INTERVAL = 0.1          # seconds between two captures
LONGEST = 1.2           # seconds for which an unchanged screen is shown
LAST = 5.0              # seconds for which the last screen is shown
OUTPUT = "docs/terminal.svg"


class Terminal:
    """A shell in tmux, whose screens are kept with their times."""

    def __init__(self, folder):
        self.socket = f"sockeye-record-{os.getpid()}"
        self.frames = []
        environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", HISTFILE="")
        for name in ("TMUX", "PROMPT_COMMAND"):
            environment.pop(name, None)
        self.tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS),
                  "env PS1='$ ' bash --norc --noprofile", env=environment)
        self.tmux("set-option", "-g", "status", "off")
        self.wait(0.5)

    def tmux(self, *arguments, env=None):
        command = ["tmux", "-L", self.socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout

    def capture(self):
        screen = self.tmux("capture-pane", "-p").rstrip("\n").split("\n")
        column, row = map(int, self.tmux("display", "-p", "#{cursor_x} #{cursor_y}").split())
        frame = (tuple(line.rstrip() for line in screen), column, row)
        if not self.frames or self.frames[-1][1] != frame:
            self.frames.append((time.monotonic(), frame))
        return screen

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.capture()
            time.sleep(INTERVAL)

    def wait_for(self, text, seconds=30):
        end = time.monotonic() + seconds
        while not any(text in line for line in self.capture()):
            if time.monotonic() > end:
                sys.exit(f"the screen does not show {text!r}:\n" + "\n".join(self.capture()))
            time.sleep(INTERVAL)

    def enter(self, text):
        for start in range(0, len(text), 3):
            self.tmux("send-keys", "-l", "--", text[start:start + 3])
            self.capture()
        self.wait(0.4)
        self.key("Enter")

    def key(self, name):
        self.tmux("send-keys", name)
        self.capture()

    def end(self):
        self.tmux("kill-server")


def record(terminal, url):
    terminal.enter(f"sockeye connect {url} --slash")
    terminal.wait_for("connected")
    terminal.enter("hello")
    terminal.wait_for("< hello")
    terminal.wait(0.6)
    terminal.enter("/ping")
    terminal.wait_for("pong after")
    terminal.wait(0.8)
    terminal.key("C-d")
    terminal.wait_for("closed by the server")
    terminal.wait(0.8)
    terminal.enter(f"sockeye connect {url} -d '{{\"n\":7}}' --expect '$.n > 5'")
    terminal.wait(1.2)
    terminal.key("C-l")
    terminal.enter(f"sockeye bench {url} --rate 1k -c 20 --duration 8s")
    terminal.wait_for("last 1 s")
    terminal.wait(1.5)
    terminal.key("+")
    terminal.wait_for("client:")
    terminal.wait(0.5)
    if any("generator-limited" in line for line in terminal.capture()):
        sys.exit("the machine is busy with something else; try again")


def svg(frames):
    """Returns the film: frames side by side, of which the animation shows one after the other."""
    width, height = COLUMNS * WIDTH + 2 * PADDING, ROWS * HEIGHT + 2 * PADDING
    shown = [min(following[0] - frame[0], LONGEST) for frame, following in zip(frames, frames[1:])]
    shown.append(LAST)
    total = sum(shown)
    lines, parts, steps, elapsed = {}, [], [], 0.0
    for index, ((_, (screen, column, row)), seconds) in enumerate(zip(frames, shown)):
        steps.append(f"{elapsed / total * 100:.3f}%{{transform:translateX({-index * width:.1f}px)}}")
        elapsed += seconds
        parts.append(f'<g transform="translate({index * width + PADDING:.1f} {PADDING})">')
        cursor = f'<rect class="c" x="{column * WIDTH:.1f}" y="{row * HEIGHT}" width="{WIDTH}" height="{HEIGHT}"/>'
        parts.append(cursor)
        for number, line in enumerate(screen):
            if line:
                name = lines.setdefault(line, f"l{len(lines)}")
                parts.append(f'<use href="#{name}" y="{number * HEIGHT}"/>')
        parts.append("</g>")
    text = "".join(
        f'<text id="{name}" y="{SIZE}" textLength="{len(line) * WIDTH:.1f}">{html.escape(line)}</text>'
        for line, name in lines.items()
    )
    last = -(len(frames) - 1) * width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" xml:space="preserve">'
        "<title>sockeye connect and sockeye bench in a terminal</title>"
        f"<style>text{{font:{SIZE}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "fill:#d8dee9;white-space:pre}.c{fill:#5e81ac}"
        f".f{{animation:f {total:.2f}s step-end infinite}}@keyframes f{{{''.join(steps)}}}"
        f"@media (prefers-reduced-motion:reduce){{.f{{animation:none;transform:translateX({last:.1f}px)}}}}"
        f'</style><defs>{text}</defs><rect width="100%" height="100%" rx="6" fill="#20242c"/>'
        f'<g class="f">{"".join(parts)}</g></svg>\n'
    )


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/sockeye")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(program, f"{folder}/sockeye")
        server = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        terminal = None
        try:
            for line in server.stdout:
                if "http://127.0.0.1:" in line:
                    port = line.split("http://127.0.0.1:")[1].split("/")[0].split()[0]
                    break
            terminal = Terminal(folder)
            terminal.frames.clear()
            record(terminal, f"ws://localhost:{port}/echo")
        finally:
            if terminal:
                terminal.end()
            server.terminate()
            server.wait()
    picture = svg(terminal.frames)
    with open(OUTPUT, "w", encoding="utf-8") as file:
        file.write(picture)
    print(f"{OUTPUT}: {len(terminal.frames)} screens, {len(picture.encode()) // 1024} KiB")


if __name__ == "__main__":
    main()
