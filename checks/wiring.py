"""Puts a sweep together from the settings: the real walls, each made here and nowhere else."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from analytics.history import KeptHistory
from analytics.ingest import Ingested, ingest
from analytics.store import open_store
from checks.catalogue import Catalogue, load_catalogue
from checks.courier import Messenger
from checks.notices import notices
from checks.sweeper import Sweeper
from checks.telling import Teller, TriedFiles
from sbatch_templates import visit_script
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.settings import ReactionMode, Settings
from slurm_hooks.slurm import SlurmCommands
from slurm_hooks.state import State


def catalogue(settings: Settings) -> Catalogue:
    """Return every check that these settings know.

    Raises:
        ConfigError: a definition is wrong.
    """
    return load_catalogue(settings.definitions, visit_budget=settings.visit_budget)


def sweeper(settings: Settings) -> Sweeper:
    """Return what a sweep with these settings works with.

    Raises:
        ConfigError: a definition is wrong.
    """
    state = State(settings.state_dir)
    store = open_store(settings)
    known = catalogue(settings).without(state.suspensions.all())
    teller = Teller(
        courier=Messenger(), files=TriedFiles(state.notices), clock=lambda: datetime.now(UTC)
    )

    def move_spool(now: datetime, compared: Collection[str]) -> Ingested:
        done = ingest(state, store, cluster=settings.cluster, now=now, compared=compared)
        return replace(done, notes=(*done.notes, *store.refused))

    def tell() -> Sequence[str]:
        if settings.reactions.mode is ReactionMode.OFF:
            return ()
        try:
            return teller.tell(
                notices(
                    JournalFile(state.reactions).read(),
                    known.definitions,
                    settings.reactions.notify,
                    cluster=settings.cluster,
                )
            )
        except Exception as error:  # noqa: BLE001 - the sweep's work is done, and stays so
            return (f"notices of reactions: {type(error).__name__}: {error}",)

    def script(batch_id: str) -> str:
        return visit_script(python=settings.node_python, settings=settings.path, batch_id=batch_id)

    return Sweeper(
        settings=settings,
        slurm=SlurmCommands(
            bin_dir=settings.slurm_bin,
            conf=settings.slurm_conf,
            timeout_s=settings.slurm_timeout.total_seconds(),
        ),
        state=state,
        catalogue=known,
        history=KeptHistory(state, store, cluster=settings.cluster),
        ingest=move_spool,
        script=script,
        tell=tell,
    )
