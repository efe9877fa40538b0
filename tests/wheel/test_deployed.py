"""The wheel where nothing may be written: another user, no network, HOME or temporary folder."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

EXAMPLE = Path(str(resources.files("impasto.models"))) / "example"
VENV = Path(sys.prefix)
NOBODY = 65534
INSIDE = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
number=0
for folder in {needed}; do
    number=$((number + 1))
    mkdir /mnt/$number
    mount --bind $folder /mnt/$number
done
for folder in {closed}; do
    mount -t tmpfs -o mode=755 tmpfs $folder
done
number=0
for folder in {needed}; do
    number=$((number + 1))
    mkdir -p $folder
    mount --bind /mnt/$number $folder
    mount -o remount,bind,ro $folder
done
for folder in /tmp /var/tmp /dev/shm {work}; do
    mount --bind $folder $folder
    mount -o remount,bind,ro $folder
done
mount --bind {data} {data}
mount -o remount,bind,rw {data}
ip link set lo up
as_nobody="setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --inh-caps=-all"
cd {work}
if $as_nobody touch /tmp/x 2>/dev/null || $as_nobody touch {work}/x 2>/dev/null; then exit 99; fi
exec $as_nobody env -i PATH=/nowhere {venv}/bin/python - {data}
"""
PAINT = """
import subprocess, sys
program = [sys.executable, "-m", "impasto.cli"]
painted = subprocess.run(
    [*program, "photo.jpg", "painting.jpg", "--size", "64", "--iterations", "2", "-o", "-"],
    stdout=subprocess.PIPE, check=True,
)
sys.stdout.buffer.write(painted.stdout)
"""
SERVE = """
import http.client, json, subprocess, sys, time
program = [sys.executable, "-m", "impasto.cli", "serve", "--port", "8701", "--data", sys.argv[1]]
server = subprocess.Popen(program)
def ask(method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", 8701, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
for _ in range(600):
    time.sleep(0.1)
    try:
        if ask("GET", "/ready")[0] == 200:
            break
    except OSError:
        assert server.poll() is None, "the server ended"
import base64
def sent(name):
    return {"data": base64.b64encode(open(name, "rb").read()).decode()}
order = {"content": sent("photo.jpg"), "styles": [sent("painting.jpg")]}
order["settings"] = {"size": 64, "iterations": 2}
try:
    status, said = ask("POST", "/jobs", json.dumps(order), **{"Content-Type": "application/json"})
    assert status == 201, said
    name = json.loads(said)["id"]
    for _ in range(600):
        time.sleep(0.1)
        status, picture = ask("GET", f"/jobs/{name}/result.png")
        if status == 200:
            break
finally:
    server.terminate()
assert server.wait(60) == 0
sys.stdout.buffer.write(picture)
"""


def closed(path: Path) -> list[Path]:
    """The first folder above a path that other users may not enter, as /root."""
    return [above for above in reversed(path.parents) if not above.stat().st_mode & 1][:1]


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with the example that cannot be written to, and one that can."""
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs root, unshare and setpriv")
    if subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode:
        pytest.skip("this system has no namespaces")
    folder = Path("/opt/impasto-test")  # nobody may not enter pytest's own folders
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    os.chown(folder / "data", NOBODY, NOBODY)
    for name in ("photo.jpg", "painting.jpg"):
        shutil.copy(EXAMPLE / name, folder)
    return folder, folder / "data"


@pytest.mark.parametrize("script", [PAINT, SERVE], ids=["paints", "serves"])
def test_a_deployment_where_nothing_may_be_written(bare: tuple[Path, Path], script: str) -> None:
    folder, data = bare
    try:
        needed = [VENV, Path(sys.base_prefix)]
        inside = INSIDE.format(
            venv=VENV,
            needed=" ".join(map(str, needed)),
            closed=" ".join({str(c) for path in needed for c in closed(path)}),
            work=folder,
            data=data,
            user=NOBODY,
        )
        done = subprocess.run(
            ["unshare", "--mount", "--net", "sh", "-c", inside],
            input=script.encode(),
            capture_output=True,
            check=False,
            timeout=300,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr.decode()
    from PIL import Image

    with Image.open(io.BytesIO(done.stdout)) as picture:
        picture.load()
        assert max(picture.size) == 64
