"""Definitions from several directories, and what holds among them."""

from datetime import timedelta
from pathlib import Path

import pytest

from checks.catalogue import DEFAULT_SITE, SHIPPED, Catalogue, definition_paths, load_catalogue
from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import parse_settings

BUDGET = timedelta(minutes=20)


def write(directory: Path, name: str, more: str = "", *, max_age: str = "7d") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}.yaml"
    path.write_text(f"name: {name}\ndescription: d\ncommand: ['true']\nmax_age: {max_age}\n{more}")
    return path


def load(shipped: Path, *sites: Path) -> Catalogue:
    return load_catalogue(sites, visit_budget=BUDGET, shipped=shipped)


def refusal_of(shipped: Path, *sites: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(shipped, *sites)
    return str(caught.value).split("\n")


def test_what_is_shipped_loads() -> None:
    found = load_catalogue([], visit_budget=BUDGET)
    assert {one.name for one in found.definitions} == {
        path.stem for path in definition_paths(SHIPPED)
    }


def test_checks_come_by_name_with_their_files(tmp_path: Path) -> None:
    write(tmp_path / "a", "disk")
    write(tmp_path / "b", "cpu")
    found = load(tmp_path / "a", tmp_path / "b")
    assert [one.name for one in found.definitions] == ["cpu", "disk"]
    assert found.sources == {
        "cpu": tmp_path / "b" / "cpu.yaml",
        "disk": tmp_path / "a" / "disk.yaml",
    }
    assert found.get("cpu").name == "cpu"


def test_a_later_file_of_the_same_name_replaces_the_earlier_whole(tmp_path: Path) -> None:
    write(tmp_path / "a", "disk", "retry_after: 2h\n")
    write(tmp_path / "b", "disk", max_age="1d")
    found = load(tmp_path / "a", tmp_path / "b").get("disk")
    assert found.max_age == timedelta(days=1)
    assert found.retry_after == timedelta(hours=1)


def test_a_site_suspends_a_check_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "a", "disk", max_age="3d")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "disk.yaml").write_text("suspend: true\n")
    found = load(tmp_path / "a", tmp_path / "b")
    assert found.get("disk").suspend
    assert found.get("disk").max_age == timedelta(days=3)
    assert found.active == ()
    write(tmp_path / "c", "disk")
    assert not load(tmp_path / "a", tmp_path / "b", tmp_path / "c").get("disk").suspend


def test_what_does_not_exist_cannot_be_suspended(tmp_path: Path) -> None:
    write(tmp_path / "a", "disk")
    (tmp_path / "a" / "dusk.yaml").write_text("suspend: true\n")
    assert refusal_of(tmp_path / "a") == [
        f"{tmp_path}/a/dusk.yaml: there is no check 'dusk' to suspend (did you mean 'disk'?)"
    ]


def test_a_check_suspended_by_command_is_as_one_suspended_in_its_file(tmp_path: Path) -> None:
    write(tmp_path, "disk")
    write(tmp_path, "io", "depends_on: [disk]\n")
    found = load(tmp_path).without({"disk", "gone"})
    assert found.get("disk").suspend
    assert [(one.name, one.depends_on) for one in found.active] == [("io", ())]
    assert found.programs(["io"])[0].depends_on == ()


def test_what_a_check_waits_for_everywhere_must_exist_and_go_round_in_no_circle(
    tmp_path: Path,
) -> None:
    write(tmp_path, "disk")
    write(tmp_path, "mpi", "depends_on_everywhere: [dusk]\n")
    reason = "there is no check 'dusk' (did you mean 'disk'?)"
    assert refusal_of(tmp_path) == [f"{tmp_path}/mpi.yaml:5: depends_on_everywhere: {reason}"]
    write(tmp_path, "disk", "depends_on: [mpi]\n")
    write(tmp_path, "mpi", "depends_on_everywhere: [disk]\n")
    assert "goes round in a circle" in refusal_of(tmp_path)[0]
    write(tmp_path, "disk", "suspend: true\n")
    assert load(tmp_path).active[0].depends_on_everywhere == ()


def test_nothing_waits_for_a_suspended_check(tmp_path: Path) -> None:
    write(tmp_path, "disk", "suspend: true\n")
    write(tmp_path, "cpu", "depends_on: [disk, memory]\n")
    write(tmp_path, "memory", "time_limit: 1m\n")
    found = load(tmp_path)
    assert [one.name for one in found.active] == ["memory", "cpu"]
    assert found.active[1].depends_on == ("memory",)
    assert found.programs(["cpu"])[0].depends_on == ("memory",)
    assert found.get("cpu").depends_on == ("disk", "memory")


def test_programs_come_in_running_order(tmp_path: Path) -> None:
    write(tmp_path, "a", "time_limit: 9m\n")
    write(tmp_path, "b", "depends_on: [a]\ntime_limit: 1m\n")
    write(tmp_path, "c", "time_limit: 2m\n")
    found = load(tmp_path)
    assert found.order(["b", "a", "c"]) == ("c", "a", "b")
    assert [one.name for one in found.programs({"a", "b"})] == ["a", "b"]
    assert found.programs(["b"])[0].time_limit_s == 60.0


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "storage")
    with pytest.raises(ConfigError, match=r"there is no check 'storag' \(did you mean 'storage'"):
        load(tmp_path).get("storag")


@pytest.mark.parametrize(
    "name", [".hidden.yaml", ".#disk.yaml", "#disk.yaml#", "disk.yaml~", "disk.yaml.swp", "x.json"]
)
def test_hidden_files_and_backups_are_not_definitions(tmp_path: Path, name: str) -> None:
    write(tmp_path, "disk")
    (tmp_path / name).write_text("[")
    assert [one.name for one in load(tmp_path).definitions] == ["disk"]


def test_only_the_default_directory_may_be_missing(tmp_path: Path) -> None:
    text = 'cluster = "c"\nstate_dir = "/s"\nlog_dir = "/l"\n'
    assert parse_settings(text, Path("t")).definitions == (DEFAULT_SITE,)
    if not DEFAULT_SITE.exists():
        assert definition_paths(DEFAULT_SITE) == []
    write(tmp_path, "disk")
    assert refusal_of(tmp_path, tmp_path / "absent") == [
        (
            f"{tmp_path}/absent: there is no such directory; create it, or take it out of "
            "definitions in the settings"
        )
    ]
    assert refusal_of(tmp_path / "disk.yaml") == [
        f"{tmp_path}/disk.yaml: cannot read the definitions: Not a directory"
    ]


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a", "retry: 5\n")
    write(tmp_path, "b", max_age="soon")
    (tmp_path / "c.yaml").mkdir()
    write(tmp_path, "d")
    (tmp_path / "d.yml").write_text((tmp_path / "d.yaml").read_text())
    assert refusal_of(tmp_path) == [
        f"{tmp_path}/a.yaml:5: retry: unknown key (did you mean 'retries'?)",
        f"{tmp_path}/b.yaml:4: max_age: 'soon' is not a duration; write it like 30m, 12h or 7d",
        f"{tmp_path}/c.yaml: not a regular file; remove it or write a definition there",
        f"{tmp_path}/d.yml: d.yaml names the same check; remove one",
    ]


def test_what_does_not_go_together_is_told_with_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "a", "depends_on: [storag]\n")
    write(tmp_path, "b", "\ndepends_on: [c]\n")
    write(tmp_path, "c", "depends_on: [b]\n")
    write(tmp_path, "storage", "time_limit: 30m\n")
    assert refusal_of(tmp_path) == [
        f"{tmp_path}/a.yaml:5: depends_on: there is no check 'storag' (did you mean 'storage'?)",
        (
            f"{tmp_path}/storage.yaml:5: time_limit: 30m is more than visit_budget in the settings "
            "(20m); lower the one or raise the other"
        ),
        (
            f"{tmp_path}/b.yaml:6: depends_on: goes round in a circle: b -> c -> b; "
            "take one of them out"
        ),
    ]


def test_a_check_may_take_the_whole_visit(tmp_path: Path) -> None:
    write(tmp_path, "a", "time_limit: 20m\n")
    assert load(tmp_path).get("a").time_limit == BUDGET


def test_a_link_to_a_file_is_a_definition(tmp_path: Path) -> None:
    real = write(tmp_path / "real", "disk")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "disk.yaml").symlink_to(real)
    assert load(tmp_path / "site").get("disk").name == "disk"
    real.unlink()
    assert refusal_of(tmp_path / "site") == [
        f"{tmp_path}/site/disk.yaml: not a regular file; remove it or write a definition there"
    ]
