"""A function that means harm gets nowhere, whether the cloud runs as root or not."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import conftest
from conftest import wait_for
from test_lambda import TRUST, archive

HOSTILE = r"""
import ctypes, glob, json, os, signal, socket, subprocess, sys, threading, time, urllib.request

def attempt(action):
    try:
        return ["done", repr(action())[:200]]
    except BaseException as error:
        return ["refused", f"{type(error).__name__}: {error}"[:200]]

def read(path):
    with open(path) as file:
        return file.read(100)

def host(event):
    paths = event["paths"] + ["/etc/shadow", "/root/.bashrc", "/proc/1/root/root", "/proc/sys/kernel/core_pattern"]
    found = {path: attempt(lambda: read(path)) for path in paths}
    found["environment"] = sorted(os.environ)
    found["neighbours"] = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    found["mounts"] = attempt(lambda: open("/proc/mounts").read())
    found["writes"] = {path: attempt(lambda: open(path + "/x", "w")) for path in ["/", "/var/task", "/usr", "/etc", "/opt", "/var/runtime"]}
    libc = ctypes.CDLL(None, use_errno=True)
    found["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
    found["unshare"] = libc.unshare(0x10000000)
    found["ptrace"] = libc.ptrace(16, 1, 0, 0)
    found["setuid"] = attempt(lambda: os.setuid(0)) if os.getuid() else ["is", "root"]
    found["kill"] = attempt(lambda: os.kill(event["pid"], 9))
    found["core"] = attempt(lambda: open("/proc/sys/kernel/core_pattern", "w").write("|/bin/true"))
    return found

def fork(event):
    count = 0
    while True:
        try:
            pid = os.fork()
        except OSError:
            return count
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        count += 1

def fill(event):
    written = 0
    try:
        with open("/tmp/full", "wb") as file:
            while True:
                written += file.write(b"x" * (1 << 20))
                file.flush()
    except OSError:
        pass
    return written >> 20

def outlive(event):
    subprocess.Popen(["sh", "-c", f"trap '' TERM HUP; while true; do sleep {event['mark']}; done"], start_new_session=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    while True:
        pass

def linger(event):
    subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], start_new_session=True)
    def spin():
        while True:
            pass
    threading.Thread(target=spin, daemon=True).start()
    return "answered"

def network(event):
    def connect(address):
        socket.create_connection(address, 1).close()
    found = {f"{host}:{port}": attempt(lambda: connect((host, port))) for host, port in event["addresses"]}
    found["raw"] = attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    found["packet"] = attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    found["abstract"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect("\0welkin"))
    names = attempt(lambda: socket.gethostbyname("example.com"))
    found["names"] = names
    runtime = os.environ["AWS_LAMBDA_RUNTIME_API"]
    # Somebody else's invocation cannot be answered.
    request = urllib.request.Request(f"http://{runtime}/2018-06-01/runtime/invocation/{event['other']}/response", b"forged", method="POST")
    found["forged"] = attempt(lambda: urllib.request.urlopen(request, timeout=2).status)
    return found

def handler(event, context):
    return globals()[event["what"]](event)
"""


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += [int(child), *children(child)]
        except OSError:
            pass
    return found


def cpu(pids):
    """Clock ticks that the processes have used."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total


def arguments():
    """The command lines of every process of the machine."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass


class AsNobody(conftest.Cloud):
    """A cloud whose process has no privileges."""

    def start(self):
        binary = conftest.BINARY
        wrapper = pathlib.Path(self.state).parent / "unprivileged"
        if not wrapper.exists():
            # The binary may lie where nobody but root can go.
            own = wrapper.parent / "welkin"
            shutil.copy(binary, own)
            wrapper.write_text(f"#!/bin/sh\nexport HOME={self.state} WELKIN_OFFLINE=1\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {own} \"$@\"\n")
            wrapper.chmod(0o755)
        conftest.BINARY = str(wrapper)
        try:
            super().start()
        finally:
            conftest.BINARY = binary


@pytest.fixture(params=["root", "rootless"])
def machine(request, tmp_path):
    """A cloud with native sandboxes, run by root or by nobody in particular."""
    if os.getuid() != 0 and request.param == "root":
        pytest.skip("only root can try what root may")
    state = tmp_path / "state"
    state.mkdir()
    if os.getuid() == 0 and request.param == "rootless":
        for folder in [state, tmp_path, *list(tmp_path.parents)[:2]]:
            folder.chmod(0o755)
        shutil.chown(state, 65534, 65534)
        running = AsNobody(str(state))
    else:
        running = conftest.Cloud(str(state))
    yield running
    running.kill()


@pytest.fixture
def hostile(machine):
    iam, client = machine.client("iam"), machine.client("lambda", read_timeout=120)
    iam.create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)
    for name in ["hostile", "victim"]:
        client.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Timeout=8, MemorySize=256,
            Role="arn:aws:iam::000000000000:role/f", Code={"ZipFile": archive(app__py=HOSTILE)},
            Environment={"Variables": {"SECRET": f"of-{name}"}})
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})

    def do(what, function="hostile", **event):
        reply = client.invoke(FunctionName=function, Payload=json.dumps({"what": what, **event}))
        return json.loads(reply["Payload"].read()), reply.get("FunctionError")

    do.client = client
    found, error = do("host", paths=[], pid=os.getpid())
    assert error is None, found
    if found["/etc/shadow"][0] == "done":
        # The isolation under test is not to be had on this machine; `welkin doctor` says why.
        pytest.skip("this machine runs functions as plain processes")
    return do


def not_refused(results):
    return {name: result for name, result in results.items() if result[0] != "refused"}


def test_it_sees_nothing_of_the_machine(machine, hostile):
    secret = pathlib.Path(machine.state).parent / "secret"
    secret.write_text("of the machine")
    paths = [str(secret), machine.state, f"{machine.state}/store", "/home", __file__, conftest.BINARY]
    found, error = hostile("host", paths=paths, pid=machine.process.pid)
    assert error is None, found
    seen = not_refused({path: found[path] for path in paths + ["/etc/shadow", "/root/.bashrc"]})
    assert not seen
    assert not not_refused(found["writes"]) and found["core"][0] == "refused"
    assert found["mount"] == found["unshare"] == found["ptrace"] == -1
    assert found["kill"][0] == "refused" and found["neighbours"] == ["1"]
    assert machine.state not in json.dumps(found["mounts"])
    assert not [name for name in found["environment"] if "WELKIN" in name]


def test_a_fork_bomb_and_a_full_disk_hurt_only_itself(machine, hostile):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        bomb, most = pool.submit(hostile, "fork"), 0
        while not bomb.done():
            most = max(most, len(children(machine.process.pid)))
    # It did fork, and was stopped: by an error that it counted up to, or with its whole environment.
    count, error = bomb.result()
    assert 10 < most < 1200 and (error is not None or count < 1200), (most, count)
    written, error = hostile("fill")
    assert error is None and written <= 512, written
    answer, error = hostile("linger", function="victim")
    assert (answer, error) == ("answered", None)


def test_it_does_not_outlive_its_timeout(machine, hostile):
    mark = f"{os.getpid()}7.125"
    hostile.client.update_function_configuration(FunctionName="hostile", Timeout=1)
    hostile.client.get_waiter("function_updated_v2").wait(FunctionName="hostile", WaiterConfig={"Delay": 0.1})
    answer, error = hostile("outlive", mark=mark)
    assert error == "Unhandled" and "Task timed out after 1.00 seconds" in answer["errorMessage"]
    wait_for(lambda: not any(mark in line for line in arguments()), "the end of what the function started")


def test_it_does_not_run_on_after_its_answer(machine, hostile):
    assert hostile("linger") == ("answered", None)
    processes = children(machine.process.pid)
    assert len(processes) >= 2

    def still():
        before = cpu(processes)
        subprocess.run(["sleep", "0.3"], check=True)
        return cpu(processes) - before <= 2

    wait_for(still, "the function to be stopped")


def test_it_reaches_nobody(machine, hostile):
    other = machine.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"]
    addresses = [["127.0.0.1", 22], ["127.0.0.1", 1], ["10.0.0.1", 80], ["169.254.169.254", 80], ["1.1.1.1", 53]]
    found, error = hostile("network", addresses=addresses, other=other)
    assert error is None, found
    assert not not_refused(found)
    assert hostile("linger", function="victim") == ("answered", None)


def test_a_killed_server_leaves_no_sandbox_behind(start):
    """Not even one that was just being made. Taking an environment makes the server start the next."""
    running = start()
    iam, client = running.client("iam"), running.client("lambda")
    role = iam.create_role(RoleName="killed", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    code = archive(**{"app.py": "def handler(event, context):\n    return 'answered'\n"})
    client.create_function(
        FunctionName="killed", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": code}
    )
    for life in range(12):
        client.update_function_configuration(FunctionName="killed", Environment={"Variables": {"LIFE": str(life)}})
        client.invoke(FunctionName="killed")
        running.kill()
        wait_for(lambda: not any(running.state in line for line in arguments()), "every sandbox to end")
        running.restart()
