#!/usr/bin/env python3
"""Make the recordings in python/ccbs/prompts/ from the texts of its catalogue.yml.

Needs the Debian packages festival, festvox-ru, festvox-us-slt-hts and sox, and the Python package
ruamel.yaml. The same versions of them give the same bytes: no dither, no random choice, no date in the files.

    scripts/make_prompts.py            write the recordings
    scripts/make_prompts.py --check    name the recordings that would change; exit code 1 if any
    scripts/make_prompts.py --phones   print how each text is pronounced instead
"""

from __future__ import annotations

import argparse
import array
import io
import math
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

PROMPTS = Path(__file__).resolve().parent.parent / "python" / "ccbs" / "prompts"
VOICES = {"ru": "voice_msu_ru_nsh_clunits", "en": "voice_cmu_us_slt_arctic_hts"}
RATE = 8_000
FRAME = RATE // 100
SILENCE_DBFS = -45.0
SPEECH_RMS_DBFS = -19.0
PEAK_DBFS = -3.0
MARGIN_FRAMES = 2
GAP_S = 0.12  # after each prompt, so that digits in a row stay apart
PAUSE_S = 0.5  # a prompt with an empty text

PHONES = """
(define (phones text)
  (let ((utt (eval (list 'Utterance 'Text text))))
    (utt.synth utt)
    (mapcar (lambda (word)
              (mapcar (lambda (syl)
                        (format t "%s" (if (string-equal (item.feat syl "stress") "0") "." "'"))
                        (mapcar (lambda (seg) (format t "%s" (item.name seg))) (item.daughters syl)))
                      (item.daughters (item.relation word "SylStructure")))
              (format t " "))
            (utt.relation.items utt "Word"))
    (format t "\\n")))
"""


def catalogue() -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """The texts by name and language, and the pronunciations by language and word."""
    whole = YAML(typ="safe").load((PROMPTS / "catalogue.yml").read_text(encoding="utf-8"))
    return whole["prompts"], whole["pronounced"]


def spelled(text: str, pronounced: dict[str, str]) -> str:
    """The text as the synthesiser is to read it."""
    return re.sub(r"\w+", lambda word: pronounced.get(word[0].lower(), word[0]), text)


def samples_of(voice: str, text: str) -> array.array[int]:
    """Speak a text: 8,000 Hz, mono, untrimmed."""
    with tempfile.TemporaryDirectory() as scratch:
        spoken, narrow = Path(scratch, "spoken.wav"), Path(scratch, "narrow.raw")
        said = subprocess.run(
            ["text2wave", "-eval", f"({voice})", "-o", str(spoken)],
            input=text.encode(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        if said.returncode or not spoken.exists() or spoken.stat().st_size < 1_000:
            raise SystemExit(
                f"festival could not say {text!r} with {voice}: {said.stderr.decode(errors='replace')}"
            )
        to_raw = f"sox -D -G {spoken} -t raw -e signed -b 16 -L {narrow} rate -v {RATE} highpass 120"
        subprocess.run(to_raw.split(), check=True, timeout=60)
        samples = array.array("h", narrow.read_bytes())
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def frames_dbfs(samples: array.array[int]) -> list[float]:
    """The level of each whole frame of 10 ms."""
    levels = []
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        power = sum(s * s for s in samples[start : start + FRAME]) / FRAME
        levels.append(10 * math.log10(max(power, 1e-9) / 32_768**2))
    return levels


def finished(samples: array.array[int]) -> array.array[int]:
    """Trim silence at both ends, bring speech to one level, append the gap."""
    loudest = max(abs(s) for s in samples)
    floor = SILENCE_DBFS + 20 * math.log10(loudest / 32_768)
    loud = [i for i, level in enumerate(frames_dbfs(samples)) if level > floor]
    first, last = max(loud[0] - MARGIN_FRAMES, 0), loud[-1] + 1 + MARGIN_FRAMES
    samples = samples[first * FRAME : last * FRAME]
    speech = [10 ** (level / 10) for level in frames_dbfs(samples) if level > floor + 15]
    rms = math.sqrt(sum(speech) / len(speech))
    gain = min(10 ** (SPEECH_RMS_DBFS / 20) / rms, 10 ** (PEAK_DBFS / 20) * 32_768 / loudest)
    return array.array("h", (round(s * gain) for s in samples)) + silence(GAP_S)


def silence(seconds: float) -> array.array[int]:
    return array.array("h", bytes(2 * round(seconds * RATE)))


def wav(samples: array.array[int]) -> bytes:
    """A WAV file of 8,000 Hz, mono, 16 bit."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def recordings() -> Iterator[tuple[Path, bytes]]:
    """Each file of the package and what it should hold."""
    prompts, pronounced = catalogue()
    for language, voice in VOICES.items():
        for name, texts in prompts.items():
            text = spelled(texts[language], pronounced.get(language, {}))
            samples = finished(samples_of(voice, text)) if text else silence(PAUSE_S)
            yield PROMPTS / language / f"{name}.wav", wav(samples)


def print_phones() -> None:
    prompts, pronounced = catalogue()
    for language, voice in VOICES.items():
        texts = [spelled(texts[language], pronounced.get(language, {})) for texts in prompts.values()]
        script = PHONES + f"({voice})\n" + "".join(f'(phones "{text}")\n' for text in texts if text)
        with tempfile.NamedTemporaryFile("w", suffix=".scm", encoding="utf-8") as file:
            file.write(script)
            file.flush()
            subprocess.run(["festival", "-b", file.name], check=True, timeout=300)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--phones", action="store_true", help="print the pronunciation, write nothing")
    options = parser.parse_args()
    missing = [tool for tool in ("festival", "text2wave", "sox") if shutil.which(tool) is None]
    if missing:
        print(
            f"missing: {', '.join(missing)}; apt-get install festival festvox-ru festvox-us-slt-hts sox",
            file=sys.stderr,
        )
        return 2
    if options.phones:
        print_phones()
        return 0
    wrong = 0
    wanted = set()
    for path, content in recordings():
        wanted.add(path)
        same = path.exists() and path.read_bytes() == content
        if options.check:
            wrong += not same
            if not same:
                print(f"differs: {path}")
        elif not same:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            print(f"{path.relative_to(PROMPTS)}: {(len(content) - 44) / 2 / RATE:.2f} s")
    for path in sorted(set(PROMPTS.glob("*/*.wav")) - wanted):
        wrong += 1
        print(f"in no catalogue: {path}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
