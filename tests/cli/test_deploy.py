"""The examples in deploy/ hold: they are what they say, and importer takes their command lines."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from importer.cli.app import app
from importer.cli.settings import BY_NAME, Given, command_of
from importer.errors import ExitCode
from importer.job.job_settings import TABLE
from importer.ledger.address import LedgerAddress
from importer.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MAPPINGS = ("/etc/importer/import.toml", "/data/import.toml")
"""Where the examples have the mapping file of setup.yaml."""
HOPELESS = {ExitCode.ROWS_LEFT, ExitCode.USAGE, ExitCode.STOPPED, ExitCode.INTERNAL}
"""Exit codes after which trying again changes nothing: a person is needed."""
GOES_ON = {ExitCode.TEMPFAIL, ExitCode.LEDGER_IN_USE}
"""Those after which the same command goes on by itself."""
DAY = "2026-11-26"
SECRET = re.compile(r"sk_live|sk_[a-z0-9]{16}|password\s*=|://[^/@\s]+:[^/@\s]+@", re.IGNORECASE)


def manifests(name: str) -> list[dict[str, Any]]:
    """The documents of a Kubernetes file."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


def of_kind(name: str, kind: str) -> dict[str, Any]:
    """The one document of a kind."""
    (found,) = (one for one in manifests(name) if one["kind"] == kind)
    return found


def job_of(name: str) -> dict[str, Any]:
    """The specification of the job in a file."""
    spec: dict[str, Any] = manifests(name)[0]["spec"]
    return spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec


def container(name: str) -> dict[str, Any]:
    """The container of the job in a file."""
    (found,) = job_of(name)["template"]["spec"]["containers"]
    return dict(found)


def batch() -> dict[str, Any]:
    """The job definition for AWS Batch."""
    document: dict[str, Any] = json.loads((DEPLOY / "aws-batch/job-definition.json").read_text())
    return document


def systemd(name: str) -> configparser.ConfigParser:
    """A unit file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / name)
    return parser


class FailedForGood(Exception):
    """What stands for AirflowFailException: no retry."""


class FailedForNow(Exception):
    """What stands for AirflowException: a retry."""


class Dag:
    """The DAG as Airflow would load it, with a process that only notes its command line."""

    def __init__(self, code: int = 0) -> None:
        """``code`` is what every process ends with."""
        self.code = code
        self.commands: list[list[str]] = []
        self.retries = 0
        self.mapped: list[dict[str, Any]] = []
        text = (DEPLOY / "airflow/import_customers.py").read_text()
        fakes: dict[str, dict[str, Any]] = {
            "airflow.exceptions": {
                "AirflowException": FailedForNow,
                "AirflowFailException": FailedForGood,
            },
            "airflow.sdk": {"dag": lambda **_: lambda function: function, "task": self._task},
            "subprocess": {"Popen": self._popen},
        }
        modules = {name: types.ModuleType(name) for name in ("airflow", *fakes)}
        for name, values in fakes.items():
            vars(modules[name]).update(values)
        with pytest.MonkeyPatch.context() as patch:
            for name, module in modules.items():
                patch.setitem(sys.modules, name, module)
            exec(compile(text, "import_customers.py", "exec"), {})  # noqa: S102 - it is ours

    def _task(self, *, retries: int, **_: Any) -> Callable[[Callable[..., None]], Any]:
        self.retries = retries
        return lambda function: types.SimpleNamespace(
            partial=lambda **given: types.SimpleNamespace(
                expand=lambda index: self._expand(function, index, given)
            )
        )

    def _expand(self, function: Callable[..., None], index: list[int], given: Any) -> None:
        for one in index:
            function(one, **{name: value.replace("{{ ds }}", DAY) for name, value in given.items()})

    def _popen(self, command: list[str]) -> Any:
        self.commands.append(command)
        return types.SimpleNamespace(wait=lambda: self.code)


class RetryRequested(Exception):
    """What stands for Dagster's: a retry."""


class Failure(Exception):
    """What stands for Dagster's: a failure, with retries or without."""

    def __init__(self, description: str, *, allow_retries: bool = True) -> None:
        super().__init__(description)
        self.allow_retries = allow_retries


def asset(code: int = 0) -> tuple[Callable[[], None], list[str], dict[str, Any]]:
    """The asset for Dagster, whose process ends with ``code``; its command; its schedule."""
    schedule: dict[str, Any] = {}
    dagster = types.ModuleType("dagster")
    vars(dagster).update(
        asset=lambda **_: lambda function: function,
        ScheduleDefinition=lambda **given: schedule.update(given),
        Definitions=dict,
        RetryRequested=lambda **_: RetryRequested(),
        Failure=Failure,
    )
    process = types.ModuleType("subprocess")
    vars(process).update(run=lambda *_, **__: types.SimpleNamespace(returncode=code))
    text = (DEPLOY / "dagster/import_customers.py").read_text()
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "dagster", dagster)
        patch.setitem(sys.modules, "subprocess", process)
        exec(compile(text, "import_customers.py", "exec"), names)  # noqa: S102 - it is ours
    return names["moment_customers"], names["COMMAND"], schedule


def cron_script() -> str:
    """The script that cron starts."""
    return (DEPLOY / "cron/importer-nightly").read_text()


def commands() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Every command line of the examples, with the environment that its orchestrator adds."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {}
    for name in ("nightly.yaml", "shards.yaml"):
        one = container(name)
        found[name] = [*one["command"], *one["args"]], {"JOB_COMPLETION_INDEX": "0"}
    properties = batch()["containerProperties"]
    own = {one["name"]: one["value"] for one in properties["environment"]}
    counters = {"AWS_BATCH_JOB_ARRAY_INDEX": "7", "AWS_BATCH_JOB_ARRAY_SIZE": "8"}
    found["aws-batch"] = properties["command"], {**own, **counters}
    found["airflow"] = Dag().commands[-1], {}
    service = systemd("importer-nightly.service")["Service"]
    found["systemd"] = shlex.split(service["ExecStart"]), {}
    found["dagster"] = asset()[1], {}
    (line,) = re.findall(
        r"^ *(importer run .*?) >>", cron_script().replace("\\\n", ""), re.MULTILINE
    )
    found["cron"] = shlex.split(line.replace("$(date +%F)", DAY)), {}
    return found


@pytest.mark.parametrize("name", commands())
def test_importer_takes_every_command_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Command, options, environment and mapping file are parsed as a run parses them."""
    words, environment = commands()[name]
    mapping = tmp_path / "import.toml"
    mapping.write_text(of_kind("setup.yaml", "ConfigMap")["data"]["import.toml"])
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    program, command, *rest = [str(mapping) if word in MAPPINGS else word for word in words]
    assert Path(program).name == "importer"
    assert command == "run"
    group: Any = command_of(app)
    with group.make_context("importer", [command, *rest]) as above:
        one = group.get_command(above, command)
        with one.make_context(command, rest, parent=above) as context:
            values = {key: value for key, value in context.params.items() if key in BY_NAME}
            given = Given(context, values)
            inputs, delivery = given.inputs(context.params["sources"]), given.delivery()
    assert len(inputs.sources) == 1
    assert delivery.live
    assert delivery.account
    assert given.display().log_format == "json"
    assert delivery.ledger.is_shared == (name not in {"systemd", "cron"})
    assert not delivery.ledger.has_password
    shards = {"shards.yaml": Shard(1, 8), "aws-batch": Shard(8, 8), "airflow": Shard(4, 4)}
    assert inputs.shard == shards.get(name, Shard(1, 1))


def test_as_many_tasks_as_shards() -> None:
    """Else some rows would belong to nobody."""
    job = job_of("shards.yaml")
    assert job["completionMode"] == "Indexed"
    assert f"auto/{job['completions']}" in container("shards.yaml")["args"]
    size = json.loads((DEPLOY / "aws-batch/array-job.json").read_text())["arrayProperties"]["size"]
    assert f"auto/{size}" in batch()["containerProperties"]["command"]
    shards = [words[words.index("--shard") + 1] for words in Dag().commands]
    assert shards == ["1/4", "2/4", "3/4", "4/4"]


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    """Rows left, a wrong setting and a bug end the job; all else is tried again, and goes on."""
    for name, action in (("nightly.yaml", "FailJob"), ("shards.yaml", "FailIndex")):
        (rule,) = (
            one for one in job_of(name)["podFailurePolicy"]["rules"] if one["action"] == action
        )
        assert set(rule["onExitCodes"]["values"]) == HOPELESS
        # Kubernetes takes such a policy for pods that are never restarted in place.
        assert job_of(name)["template"]["spec"]["restartPolicy"] == "Never"
    rules = batch()["retryStrategy"]["evaluateOnExit"]
    again = {one["onExitCode"] for one in rules if one["action"] == "RETRY"}
    assert again == {*(str(int(one)) for one in GOES_ON), "137", "143"}
    assert len(rules) <= 5  # What AWS Batch takes.
    unit = systemd("importer-nightly.service")
    service = unit["Service"]
    assert {int(one) for one in service["RestartPreventExitStatus"].split()} == HOPELESS
    # No failure yet, so that OnFailure= tells nobody; started again in any case, but not for ever.
    assert service["Type"] != "oneshot"
    for name in ("SuccessExitStatus", "RestartForceExitStatus"):
        assert {int(one) for one in service[name].split()} == GOES_ON
    assert int(unit["Unit"]["StartLimitBurst"]) > 1
    assert Dag().retries > 1
    for code in ExitCode:
        if code is ExitCode.OK:
            continue
        with pytest.raises(FailedForGood if code in HOPELESS else FailedForNow):
            Dag(code)
    with pytest.raises(FailedForNow):
        Dag(-9)


@pytest.mark.parametrize("code", [*ExitCode, 137, -9])
def test_dagster_tries_again_what_goes_on_by_itself(code: int) -> None:
    """0 is done; 75, 4 and signals are tried again; for all else no retry is spent."""
    run, _, schedule = asset(code)
    assert schedule["cron_schedule"] == "30 5 * * *"
    if code == ExitCode.OK:
        run()
        return
    with pytest.raises((RetryRequested, Failure)) as told:
        run()
    if code in HOPELESS:
        assert isinstance(told.value, Failure)
        assert not told.value.allow_retries
    else:
        assert isinstance(told.value, RetryRequested)


@pytest.mark.parametrize(
    ("codes", "calls", "ends"),
    [([0], 1, 0), ([75, 4, 0], 3, 0), ([1, 0], 1, 1), ([75] * 13, 12, 75), ([75, 3], 2, 3)],
)
def test_cron_mails_what_needs_a_person(
    codes: list[int], calls: int, ends: int, tmp_path: Path
) -> None:
    """The script goes on by itself so many times, and prints nothing while nobody is needed."""
    (tmp_path / "importer").write_text(
        '#!/bin/sh\nread -r code <codes && sed -i 1d codes\necho "{\\"exit_code\\": $code}"\n'
        'echo x >>calls\nexit "$code"\n'
    )
    (tmp_path / "importer").chmod(0o700)
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    log = tmp_path / "nightly.log"
    script = cron_script().replace("/var/log/importer/nightly.log", str(log))
    script = script.replace("pause=300", "pause=0")
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ends, "")
    assert len((tmp_path / "calls").read_text().split()) == calls
    assert bool(done.stdout) == bool(ends)
    if ends:
        assert f"exit code {ends}" in done.stdout
        assert f'"exit_code": {ends}' in done.stdout
    assert log.stat().st_mode & 0o777 == 0o600


def test_cron_finds_its_script() -> None:
    """The line for /etc/cron.d has a user, a mail address and a script; the log is rotated."""
    lines = (DEPLOY / "cron/importer").read_text().splitlines()
    told = [line for line in lines if not line.startswith("#")]
    (entry,) = (line.split() for line in told if "=" not in line)
    assert entry == ["30", "5", "*", "*", "*", "importer", "/usr/local/bin/importer-nightly"]
    assert {"SHELL", "PATH", "MAILTO"} == {line.partition("=")[0] for line in told if "=" in line}
    assert (DEPLOY / "cron/importer-nightly").stat().st_mode & 0o111
    (log,) = re.findall(r"^log=(\S+)$", cron_script(), re.MULTILINE)
    assert f"\n{log} {{\n" in (DEPLOY / "cron/logrotate").read_text()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """It has nothing to say about them, and finds that the service can do little harm."""
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/usr/local/bin/importer", sys.executable)
        (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    told = subprocess.run(
        [analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    service = tmp_path / "importer-nightly.service"
    judged = [analyze, "security", "--offline=true", "--threshold=25", "--no-pager", str(service)]
    exposed = subprocess.run(judged, capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout.splitlines()[-1]


def test_no_pod_writes_to_its_image() -> None:
    """Pods are nobody's root, have a root that is read-only, and a /tmp of their own."""
    for name in ("nightly.yaml", "shards.yaml"):
        pod, one = job_of(name)["template"]["spec"], container(name)
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert not pod["automountServiceAccountToken"]
        assert one["securityContext"]["readOnlyRootFilesystem"]
        assert not one["securityContext"]["allowPrivilegeEscalation"]
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"]
        assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]


def test_no_secret_stands_in_an_example() -> None:
    """Keys and passwords come from secrets, and never stand in a command line or a URL."""
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert not SECRET.search(path.read_text()), path
    secret = of_kind("setup.yaml", "Secret")
    for name in ("nightly.yaml", "shards.yaml"):
        variables = {
            one["name"]: one["valueFrom"]["secretKeyRef"] for one in container(name)["env"]
        }
        assert set(variables) == {"MOMENT_API_KEY", "PGPASSWORD"}
        for one in variables.values():
            assert one["name"] == secret["metadata"]["name"]
            assert one["key"] in secret["stringData"]
    secrets = {one["name"] for one in batch()["containerProperties"]["secrets"]}
    assert secrets == {"MOMENT_API_KEY", "PGPASSWORD"}


def test_every_variable_and_mount_is_known() -> None:
    """IMPORTER_ variables are settings, and what a container mounts its pod has."""
    variables = {one.variable for one in TABLE}
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert set(re.findall(r"IMPORTER_[A-Z_]+", path.read_text())) <= variables, path
    for name in ("nightly.yaml", "shards.yaml"):
        pod = job_of(name)["template"]["spec"]
        volumes = {one["name"] for one in pod["volumes"]}
        assert {one["name"] for one in container(name)["volumeMounts"]} == volumes
    properties = batch()["containerProperties"]
    mounted = {one["sourceVolume"] for one in properties["mountPoints"]}
    assert mounted == {one["name"] for one in properties["volumes"]}


def instructions() -> list[tuple[str, str]]:
    """What the Containerfile says, each with its continued lines."""
    text = (DEPLOY / "Containerfile").read_text()
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    lines = "\n".join(kept).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def test_the_image_is_made_of_what_is_there(tmp_path: Path) -> None:
    """The package builds from the files that are copied, and has the extras that are installed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    sent = (DEPLOY / "Containerfile.dockerignore").read_text().split()
    for name, words in instructions():
        if name == "RUN" and (wanted := re.findall(r'"importer\[([a-z,]+)\]"', words)):
            assert set(wanted[0].split(",")) == set(extras) - {"sandbox"}
        if name == "COPY" and not words.startswith("--from"):
            for source in words.split()[:-1]:
                assert f"!{source}" in sent
                if (ROOT / source).is_dir():
                    ignored = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(ROOT / source, tmp_path / source, ignore=ignored)
                else:
                    shutil.copy(ROOT / source, tmp_path)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert "importer/cli/app.py" in names
    assert any(name.endswith("share/man/man1/importer.1") for name in names)


def test_the_image_is_the_same_each_time_and_nobodys_root() -> None:
    """Bases by digest, packages by hash, no index by name, no cache, a user by number."""
    found = instructions()
    bases = [words.split()[0] for name, words in found if name == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])
    assert found[-1] == ("CMD", '["importer", "--help"]')
    users = [index for index, (name, _) in enumerate(found) if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found[users[-1]][1])
    assert not [name for name, _ in found[users[-1] :] if name in {"RUN", "COPY", "ADD"}]
    assert not {"ADD", "VOLUME", "EXPOSE"} & {name for name, _ in found}
    for step in (step for name, words in found if name == "RUN" for step in words.split("&&")):
        assert not re.search(r"--(extra-)?index-url|--find-links http|trusted-host|https?:", step)
        if "pip " in step:
            assert "--no-cache-dir" in step
            assert re.search(r"--require-hashes|--no-index|--no-deps", step), step
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^[a-z0-9][^\n]*==.*?(?=^\S|\Z)", lock, re.DOTALL | re.MULTILINE)
    assert len(pinned) > 30
    assert all("--hash=sha256:" in one for one in pinned)


def test_every_example_is_listed() -> None:
    """deploy/README.md names each of them."""
    text = (DEPLOY / "README.md").read_text()
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name not in {"README.md", "Containerfile.dockerignore"}:
            relative = path.relative_to(DEPLOY)
            folder = str(relative.parent)
            assert f"({relative})" in text or f"({folder})" in text, relative
    timer = systemd("importer-nightly.timer")
    assert timer["Install"]["WantedBy"] == "timers.target"
    schedules = {manifests("nightly.yaml")[0]["spec"]["schedule"]}
    assert schedules == {"30 5 * * *"}


def test_the_ledgers_of_the_examples_are_addresses() -> None:
    """Each postgresql:// URL names a database and checks the server's certificate."""
    urls = set()
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            urls |= set(re.findall(r'postgresql://[^\s"]+', path.read_text()))
    assert len(urls) == 2
    for url in urls:
        address = LedgerAddress.parse(url)
        assert address.database == "importer"
        assert "sslmode=verify-full" in str(address)
