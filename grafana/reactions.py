"""The dashboard Reactions: what was done about failures, what waits, and who undid what."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from analytics import story
from grafana import charts, links, panels, style
from grafana.board import Row, board
from grafana.columns import CLUSTER_COLUMN, coloured, column, when
from grafana.select import CHECK, CLUSTER, NODE, PARTITION, STANDING, SUSPENDED, both
from grafana.style import OF_REACTIONS
from grafana.variables import CHECKS, CLUSTERS, NODES, PARTITIONS

_MINE = both(CLUSTER, PARTITION, NODE, CHECK)
_OF = both("$__timeFilter(decided_at)", _MINE)
_STANDING = both(STANDING, _MINE)
_WAITING = both("state = 'waiting'", _STANDING)
_COLUMNS = {
    "cluster": CLUSTER_COLUMN,
    "node": column("Node", width=110, leads=links.to_node()),
    "decided_at": when("Decided"),
    "check_name": column("Check", width=130, leads=links.to_check()),
    "kind": column("Reaction", width=90),
    "state": coloured("State", width=110, texts=OF_REACTIONS),
    "why": column("Why"),
    "detail": column("What the check said"),
    "ended_at": when("Ended"),
    "ended_by": column("Ended by", width=110),
}


def reactions() -> Dashboard:
    """Return the dashboard."""
    return board(
        links.REACTIONS,
        "Reactions",
        means="What was done about failures, what waits and why, and who undid what.",
        since="now-7d",
        variables=(CLUSTERS, PARTITIONS, NODES, CHECKS),
        rows=(_now(), _course(), _waiting(), _all()),
    )


def suspended_checks(where: str, *, width: int) -> panels.Panel:
    """Return how many checks wait for a person, of the reactions that *where* chooses."""
    return panels.number(
        "Suspended checks",
        f"""
        SELECT uniqExact(cluster, check_name) AS checks FROM reactions
        WHERE {SUSPENDED} AND {where}
        """,
        means="Checks that failed on so many nodes at once that nothing more is done for them "
        "until a person decides: cluster-doctor reactions. As the history stands now.",
        steps=style.ANY_IS_BAD, width=width,
    )  # fmt: skip


def _now() -> Row:
    return Row(
        title="Now",
        panels=(
            panels.number(
                "Nodes that we hold",
                f"""
                SELECT uniqExact(cluster, node) AS nodes FROM reactions
                WHERE kind IN ('drain', 'reserve') AND state = 'done' AND {_STANDING}
                """,
                means="Nodes that reactions drained or reserved and that were not given back; as "
                "the history stands now.",
                width=6,
            ),
            panels.number(
                "Waiting",
                f"SELECT count() AS waiting FROM reactions WHERE state = 'waiting' AND {_STANDING}",
                means="Reactions that wait for room under a cap, for a person, or for another "
                "check; as the history stands now.",
                steps=style.ANY_IS_UNCLEAR, width=6,
            ),
            suspended_checks(_STANDING, width=6),
            panels.number(
                "Would have",
                f"SELECT count() AS would FROM reactions WHERE state = 'would' AND {_OF}",
                means="What shadow mode decided and did not do, in the shown time.",
                width=6,
            ),
        ),
    )  # fmt: skip


def _course() -> Row:
    return Row(
        title="Over time",
        panels=(
            charts.stacks(
                "Decided, and what became of it",
                f"""
                SELECT $__timeInterval(decided_at) AS time, state, count() AS Value FROM reactions
                WHERE {_OF} GROUP BY time, state ORDER BY time, state
                """,
                means="By when it was decided, in the colour of what it is now.",
                colours=OF_REACTIONS,
            ),
            panels.bars(
                "Which",
                f"""
                SELECT kind, count() AS reactions FROM reactions WHERE {_OF}
                GROUP BY kind ORDER BY reactions DESC, kind LIMIT 20
                """,
                means="What was decided to do, done or not.",
                width=6,
            ),
            panels.bars(
                "How they ended",
                f"""
                SELECT concat(state, if(state = 'undone' OR ended_by = '', '',
                                        concat(' by ', ended_by))) AS how,
                       count() AS reactions
                FROM reactions WHERE isNotNull(ended_at) AND {_OF}
                GROUP BY how ORDER BY reactions DESC, how LIMIT 20
                """,
                means="How reactions ended, and by whose hand: `undone` by us after a pass, `lost` "
                "to somebody else's.",
                width=6,
            ),
        ),
    )


def _waiting() -> Row:
    return Row(
        title="What waits",
        panels=(
            panels.rows(
                "Waiting for room or for a person",
                f"""
                {story.reactions(_WAITING, more="cluster, node, ")} LIMIT 200
                """,
                means="Decide with cluster-doctor reactions approve CHECK, or discard. What waits "
                "for a cap goes on by itself. The newest 200, as the history stands now.",
                columns=_COLUMNS,
                nothing="Nothing waits",
                height=8,
            ),
        ),
    )


def _all() -> Row:
    return Row(
        title="All of this time",
        panels=(
            panels.rows(
                "Reactions",
                story.reactions(_OF, more="cluster, node, ") + " LIMIT 500",
                means="What was decided in the shown time: the newest 500.",
                columns=_COLUMNS,
                nothing="No reaction in this time",
                height=12,
            ),
        ),
    )
