"""The examples in deploy/ hold: they are what they say, and importer takes their command lines."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import sys
import tomllib
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from importer.cli.app import app
from importer.cli.settings import BY_NAME, Given
from importer.errors import ExitCode
from importer.job.job_settings import TABLE
from importer.ledger import LedgerAddress
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
    group: Any = typer.main.get_command(app)
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
    assert delivery.ledger.is_shared == (name != "systemd")
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


def test_the_image_is_made_of_what_is_there() -> None:
    """The Containerfile copies files that exist and installs extras that the package has."""
    text = (DEPLOY / "Containerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (wanted,) = re.findall(r'"importer\[([a-z,]+)\]"', text)
    assert set(wanted.split(",")) <= set(extras)
    sent = (DEPLOY / "Containerfile.dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in sent
    assert 'CMD ["importer", ' in text


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
