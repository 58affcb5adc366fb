"""Pressing Ctrl+C, or Jupyter's Interrupt: on a program of its own, when it says that it is where it must be.

No signal ever goes to the process that runs the tests.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

from eventually import DEADLINE_SECONDS

# In the program: says "here" as soon as its main thread is inside the function, and the condition holds. A program that
# was started in the background may have been told to ignore interrupts; one at a terminal, or a kernel, does not.
WATCH = """
import signal as _signal, sys as _sys, threading as _threading, time as _time, traceback as _traceback
def _watch(function, condition, main):
    while True:
        frames = _traceback.extract_stack(_sys._current_frames()[main])
        if any(frame.name == function for frame in frames) and eval(condition, globals()):
            break
        _time.sleep(0.01)
    print("here", flush=True)
_signal.signal(_signal.SIGINT, _signal.default_int_handler)
_threading.Thread(target=_watch, args=(*_sys.argv[1:], _threading.get_ident()), daemon=True).start()
"""


def interrupted(code: str, inside: str, condition: str = "True") -> str:
    """What a Python program prints that is interrupted while its main thread is inside the function of that name.

    ``condition`` is an expression on the program's own names that must hold too. AssertionError when the program fails.
    """
    command = [sys.executable, "-c", WATCH + code, inside, condition]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        hopeless = threading.Timer(DEADLINE_SECONDS, process.kill)
        hopeless.start()
        try:
            printed = ""
            for line in process.stdout:
                if line == "here\n":
                    process.send_signal(signal.SIGINT)
                    break
                printed += line
            rest, complaints = process.communicate()
        finally:
            hopeless.cancel()
            process.kill()
    assert process.returncode == 0, printed + rest + complaints
    return printed + rest
