"""The serverless lab survives a crash in its middle, and the to-do lab works with a real browser. (`make labs` runs every
lab from its beginning to its end.)"""

import os
import pathlib
import subprocess

import pytest

from conftest import ROOT, clean_environment, wait_for


def lab_environment(cloud, **more):
    return clean_environment() | {
        "PATH": f"{ROOT / '.tools/venv/bin'}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    } | more


def test_kill_9_during_the_lab(start, tmp_path):
    cloud = start()
    pause = tmp_path / "pause"
    environment = lab_environment(cloud, WELKIN_LAB_PAUSE=str(pause))
    output = (tmp_path / "output").open("w+")
    lab = subprocess.Popen([str(ROOT / "labs/serverless-basic/run")], env=environment, stdout=output, stderr=output)
    wait_for(lambda: pause.exists() and pathlib.Path(pause).read_text() or lab.poll() is not None, "the lab's pause", 300)
    cloud.kill()
    cloud.restart()
    pause.unlink(missing_ok=True)
    code = lab.wait(timeout=300)
    output.seek(0)
    text = output.read()
    assert code == 0, text[-3000:]
    assert "after the restart the API still answers" in text


def test_todo_api(start):
    cloud = start(state=False)
    lab = subprocess.run(
        [str(ROOT / "labs/todo-api/run")], env=lab_environment(cloud), capture_output=True, text=True, timeout=600)
    assert lab.returncode == 0, (lab.stdout + lab.stderr)[-3000:]
    skipped = [line.strip() for line in lab.stdout.splitlines() if "skipped: the page needs a browser" in line]
    if skipped:
        pytest.skip(skipped[0])
    assert "GET /tasks has what the page posted" in lab.stdout
