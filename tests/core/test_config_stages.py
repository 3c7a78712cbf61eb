# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a button calls, and what follows from it: stages, a fallback, and whether an account is needed."""

from pathlib import Path

import pytest
from config_files import BASE, loaded, problems

from intercom.config import validators
from intercom.config.model import Button, Config, StageConfig, is_direct_ip

OFFICE = '[profiles.office]\ndays = "mon-fri"\n'
TWO = '[{ targets = ["201", "202"], ring_s = 15 }, { targets = ["203", "201"] }]'
DIRECT = """
[buttons.front]
pin = 17
targets = ["sip:201@192.0.2.7", "sip:202@[2001:db8::7]:5070"]
"""


def staged(stages: str, more: str = "") -> str:
    """The shortest file that works, with `stages` in place of its targets and `more` keys of the button."""
    return BASE.replace('targets = ["201"]', f"stages = {stages}\n{more}")


def front(config: Config) -> Button:
    (button,) = config.buttons
    return button


def test_targets_are_one_stage_that_rings_as_long_as_calls_do(tmp_path: Path) -> None:
    """Who needs no stages does not have to know of them."""
    got = front(loaded(tmp_path, BASE + "[calls]\nring_s = 400"))

    assert got.stages == (StageConfig(("201",), 400.0, ""),)
    assert (got.targets, got.fallback) == (("201",), ("201",))


def test_a_stage_rings_as_long_as_it_says_or_as_calls_do(tmp_path: Path) -> None:
    """The number in `[calls]` also stands for stages that leave theirs out, wherever it is in the file."""
    got = front(loaded(tmp_path, staged(TWO) + "[calls]\nring_s = 2"))

    assert got.stages == (StageConfig(("201", "202"), 15.0), StageConfig(("203", "201"), 2.0))


def test_stages_may_be_sections_of_their_own(tmp_path: Path) -> None:
    """TOML's two spellings of the same list."""
    sections = (
        '[[buttons.front.stages]]\ntargets = ["201", "202"]\nring_s = 15\n'
        '[[buttons.front.stages]]\ntargets = ["203", "201"]\n'
    )

    assert loaded(tmp_path, staged(TWO)) == loaded(tmp_path, BASE.replace('targets = ["201"]\n', sections))


def test_everybody_who_may_be_called_is_listed_once(tmp_path: Path) -> None:
    """In the order of the stages, the fallback last; without one, everybody is the fallback."""
    plain = front(loaded(tmp_path, staged(TWO)))
    extra = front(loaded(tmp_path, staged(TWO, 'fallback = ["204", "202"]')))

    assert plain.targets == plain.fallback == ("201", "202", "203")
    assert (extra.targets, extra.fallback) == (("201", "202", "203", "204"), ("204", "202"))


@pytest.mark.parametrize(
    ("button", "complaint"),
    [
        (
            "",
            f"[buttons.front] targets: missing; must be a list of {validators.TARGETS}, none of them twice; or give st",
        ),
        ('targets = ["201"]\nstages = []', "[buttons.front]: targets and stages exclude each other; keep one"),
        ("stages = []", f"[buttons.front] stages = []: must be {validators.STAGES}"),
        ('stages = ["201"]', f'[buttons.front] stages = ["201"]: must be {validators.STAGES}'),
        ("stages = {}", f"[buttons.front] stages = a section: must be {validators.STAGES}"),
        ('targets = ["201"]\nfallback = []', "[buttons.front] fallback = []: must be a list of users"),
        ('targets = ["201"]\nconfirm = 1', "[buttons.front] confirm = 1: must be true or false"),
        ('targets = ["201"]\nfalback = []', '[buttons.front] falback: no such key; did you mean "fallback"?'),
        (
            'targets = ["201"]\nxyz = 1',
            "[buttons.front] xyz: no such key; there are pin, pull, stages, targets, fallback, confirm, name",
        ),
        ("stages = [{}]", "[buttons.front] stage 1 targets: missing; must be a list of users"),
        ('stages = [{ targets = ["a b"] }]', '[buttons.front] stage 1 targets = ["a b"]: must be a list of users'),
        (
            'stages = [{ targets = ["1", "1"] }]',
            '[buttons.front] stage 1 targets = ["1", "1"]: must be a list of users',
        ),
        (
            'stages = [{ targets = ["1"] }, { targets = ["2"], ring_s = 2.9 }]',
            "[buttons.front] stage 2 ring_s = 2.9: must be a number of seconds from 3 to 300",
        ),
        (
            'stages = [{ targets = ["1"], ring_s = 301 }]',
            "[buttons.front] stage 1 ring_s = 301: must be a number of seconds from 3 to 300",
        ),
        (
            'stages = [{ targets = ["1"], rign_s = 5 }]',
            '[buttons.front] stage 1 rign_s: no such key; did you mean "ring_s"?',
        ),
        (
            'stages = [{ targets = ["1"], when = "ofice" }]',
            '[buttons.front] stage 1 when = "ofice": must be "" or "office"; did you mean "office"?',
        ),
        ('stages = [{ targets = ["1"], when = 1 }]', '[buttons.front] stage 1 when = 1: must be "" or "office"'),
    ],
)
def test_what_is_wrong_with_a_button_is_told_once(tmp_path: Path, button: str, complaint: str) -> None:
    """Stages count from 1, as people do."""
    (told,) = problems(tmp_path, OFFICE + BASE.replace('targets = ["201"]', button))

    assert told.startswith(complaint)


def test_a_profile_that_nobody_can_mean_is_told(tmp_path: Path) -> None:
    """There is nothing to guess from where there is no profile at all; but nothing may be said in words, too."""
    assert problems(tmp_path, staged('[{ targets = ["201"], when = "office" }]')) == [
        "[buttons.front] stage 1 when: there is no [profiles.NAME] that it could mean"
    ]
    assert front(loaded(tmp_path, staged('[{ targets = ["201"], when = "" }]'))).stages == (
        StageConfig(("201",), 30.0),
    )


def test_every_stage_is_read_whatever_is_wrong_with_another(tmp_path: Path) -> None:
    """All complaints at once goes for the inside of lists, too."""
    told = problems(tmp_path, staged("[{ targets = [] }, { targets = [], ring_s = 1 }]", "confirm = 0"))

    assert [line.partition(" = ")[0] for line in told] == [
        "[buttons.front] stage 1 targets",
        "[buttons.front] stage 2 targets",
        "[buttons.front] stage 2 ring_s",
        "[buttons.front] confirm",
    ]


def test_a_fallback_that_is_never_called_is_warned_of(tmp_path: Path) -> None:
    """Somebody waits for a call that never comes."""
    one = '{ targets = ["201"], when = "office" }'
    fallback = 'fallback = ["202"]'
    never = loaded(tmp_path, OFFICE + staged(f'[{one}, {{ targets = ["203"] }}]', fallback)).warnings

    assert [line.partition(": ")[2] for line in never] == [
        "[buttons.front] fallback: is never called: a stage without `when` counts at any hour"
    ]
    assert loaded(tmp_path, OFFICE + staged(f"[{one}]", fallback)).warnings == ()
    assert loaded(tmp_path, OFFICE + staged(f'[{one}, {{ targets = ["203"] }}]')).warnings == ()


@pytest.mark.parametrize("target", ["sip:201@192.0.2.7", "sips:a@192.0.2.7:5061;transport=tls", "sip:x@[2001:db8::7]"])
@pytest.mark.parametrize("servers", [(), ("pbx.example", "192.0.2.1", "[2001:db8::1]:5060")])
def test_a_whole_address_with_an_ip_address_is_direct(target: str, servers: tuple[str, ...]) -> None:
    """Two phones and no server make a door station."""
    assert is_direct_ip(target, servers)


@pytest.mark.parametrize(
    ("target", "server"),
    [
        ("201", "pbx.example"),
        ("192.0.2.7", "pbx.example"),  # a user of this name, however it looks
        ("sip:201@pbx.example", "other.example"),
        ("sip:201@1.2.3.4.example", "pbx.example"),
        ("sip:201@192.0.2.7", "192.0.2.7"),
        ("sip:201@192.0.2.7:5060", "192.0.2.7"),
        ("sip:201@192.0.2.7;transport=tls", "192.0.2.7:5061"),
        ("sip:201@192.0.2.7:5070", "192.0.2.7:5070"),
        ("sip:201@[2001:db8:0:0::7]", "[2001:DB8::7]:5060"),
        ("sip:20 1@192.0.2.7", "pbx.example"),
        ("sip:201@192.0.2.7:x", "pbx.example"),
        ("", ""),
    ],
)
def test_what_needs_a_server_or_is_one_is_not_direct(target: str, server: str) -> None:
    """The server wants to know who calls; a name may be its own, and what is no target is nothing."""
    assert not is_direct_ip(target, ["198.51.100.1", server])


@pytest.mark.parametrize(("port", "its"), [(":5070", ""), ("", ":5070"), (":5060", ":5061"), (":5070", ":5060")])
def test_another_port_of_a_server_s_machine_is_direct(port: str, its: str) -> None:
    """A phone may run beside the exchange."""
    assert is_direct_ip(f"sip:201@192.0.2.7{port}", [f"192.0.2.7{its}"])


def test_a_door_that_calls_only_ip_addresses_needs_no_account(tmp_path: Path) -> None:
    """Nothing to register with, nothing that can be down."""
    got = loaded(tmp_path, DIRECT + '[calls]\ntext_missed_to = "sip:201@192.0.2.7"')

    assert (got.accounts, front(got).targets) == ((), ("sip:201@192.0.2.7", "sip:202@[2001:db8::7]:5070"))


@pytest.mark.parametrize(
    "lines",
    [
        DIRECT.replace("192.0.2.7", "pbx.example"),
        DIRECT + 'fallback = ["201"]',
        DIRECT + '[calls]\ntext_missed_to = "201"',
        DIRECT + '[buttons.back]\npin = 5\ntargets = ["201"]',
        DIRECT + "[accounts]",
    ],
)
def test_a_door_that_calls_anybody_else_needs_an_account(tmp_path: Path, lines: str) -> None:
    """Also for one text in a year; but an empty heading does no harm."""
    if lines.endswith("[accounts]"):
        assert loaded(tmp_path, lines).accounts == ()
    else:
        (told,) = problems(tmp_path, lines)
        assert told.startswith("[accounts.NAME]: missing; a door needs at least one, unless it calls only IP")
