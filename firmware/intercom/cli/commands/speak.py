# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom audio speak`: has espeak-ng speak the sounds of a door, in the language of those who stand at it."""

import argparse
import tempfile
from importlib.resources import files
from pathlib import Path

from intercom.cli.command import Command, UsageError
from intercom.errors import SoundFileError

LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
"""Those of prompts.toml, which is not read for a help text."""
RATE_HZ = 16000
FOLDER = Path("/var/lib/intercom/spoken")
FASTEST, STEP = 240, 25
"""Words a minute; a sentence that is too long is spoken faster, until it fits or cannot be understood."""


def prompts() -> dict[str, dict[str, str]]:
    """Return the sentences: language -> sound -> text."""
    import tomllib  # noqa: PLC0415  (here and below: only this command needs them)

    return tomllib.loads(files("intercom").joinpath("prompts.toml").read_text(encoding="utf-8"))


def speak(language: str, folder: Path) -> int:
    """Make a WAV file of each sentence in `folder`."""
    known = prompts()
    if language not in known:
        raise UsageError(f"no sentences in {language!r}, there is {', '.join(known)}")
    sentences = dict(known[language])
    voice = sentences.pop("voice")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for sound, text in sentences.items():
            _speak(voice, text, sound, folder / f"{sound}.wav")
            print(f"{sound}: {text}")
    except PermissionError as error:
        raise SoundFileError(f"{error.filename}: not allowed to write there; try with sudo") from error
    except OSError as error:
        raise SoundFileError(f"{error.filename or folder}: {error.strerror or error}") from error
    print(f'\nfor /etc/intercom/intercom.toml:\n[sounds]\nfolder = "{folder}"')
    return 0


def _speak(voice: str, text: str, sound: str, path: Path) -> None:
    from intercom import wav_file  # noqa: PLC0415
    from intercom.engine.audio import wav  # noqa: PLC0415  (numpy is slow to load)

    longest = wav_file.LONGEST.get(sound.replace("_", "-"), wav_file.LONGEST_TONE_S)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "raw.wav"
        for speed in range(150, FASTEST, STEP):
            _espeak(["-v", voice, "-s", str(speed), "-w", str(raw), text])
            try:
                samples = wav.read(raw, RATE_HZ, longest)
            except SoundFileError:
                if speed + STEP >= FASTEST:
                    raise
            else:
                wav.write(path, samples, RATE_HZ)
                path.chmod(0o644)
                return


def _espeak(words: list[str]) -> None:
    import subprocess  # noqa: PLC0415

    try:
        done = subprocess.run(["espeak-ng", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SoundFileError("espeak-ng is not installed: sudo apt install espeak-ng") from error
    if done.returncode:
        raise SoundFileError(f"espeak-ng failed: {done.stderr.strip()}")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", default="en", metavar="CODE", help=f"one of {', '.join(LANGUAGES)}")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")


COMMAND = Command(
    purpose="have the sounds spoken",
    more="Needs espeak-ng. The sounds that come into a conversation stay short tones.",
    examples=("sudo intercom audio speak --language de",),
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: speak(arguments.language, arguments.folder),
)
