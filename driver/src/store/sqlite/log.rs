//! Whether the log beside the file is whole up to its end.
//!
//! `SQLite` reads its log up to the first frame whose sum is wrong, and drops the rest without a word. After a power cut
//! that is the commit in progress, which was confirmed to nobody. A bit that flipped further up would drop what was
//! confirmed in the same silence: then a commit follows that was begun after the dropped ones were on the disk.
//!
//! The layout is `SQLite`'s (<https://www.sqlite.org/walformat.html>): a head with two salts, then frames of one page each
//! with the same salts; the sum of a frame goes on from that of the frame before.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// Of the files that a store makes.
const PAGE: u32 = 4_096;
const MAGIC: u32 = 0x377f_0682;

/// What is wrong with the log of the file at `path`, if anything is: one phrase.
pub(super) fn damage(path: &Path) -> std::io::Result<Option<String>> {
    let file = match File::open(beside(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    look(&mut BufReader::with_capacity(1 << 18, file))
}

/// Whether there is nothing in it.
pub(super) fn is_empty(path: &Path) -> bool {
    std::fs::metadata(beside(path)).map_or_else(|error| error.kind() == ErrorKind::NotFound, |found| found.len() == 0)
}

/// The log's file.
fn beside(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn look(log: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut bytes = [0; HEAD];
    if !fill(log, &mut bytes)? {
        return Ok(None);
    }
    let head = Head::of(&bytes);
    let sound = head.is_sound();
    let shape = if sound { head } else { Head { page: PAGE, magic: native(), ..head } };
    let mut frame = vec![0; FRAME_HEAD + shape.page as usize];
    let mut before = Frame { stored: head.stored, computed: head.sum(), commit: false };
    let mut salts = head.salts;
    let mut cut: Option<u64> = None;
    for number in 1.. {
        if !fill(log, &mut frame)? {
            break;
        }
        let found = word(&frame, 8)..word(&frame, 12);
        if !sound && number == 1 {
            salts = (found.start, found.end);
        }
        let link = |from| sum(shape.big_endian(), &frame[FRAME_HEAD..], sum(shape.big_endian(), &frame[..8], from));
        let stored = (word(&frame, 16), word(&frame, 20));
        let computed = link(before.stored);
        let linked = stored == computed || stored == link(before.computed);
        let follows = linked && salts == (found.start, found.end);
        if !sound {
            // The head is on the disk before the first frame is written.
            let damaged = follows && !head.was_begun_anew();
            return Ok(damaged.then(|| "the head of its log is not what was written".to_owned()));
        }
        match cut {
            None if !(follows && stored == computed) => cut = Some(number),
            Some(at) if follows && before.commit => {
                return Ok(Some(format!("frame {at} of its log is not what was written, and commits follow it")));
            }
            _ => {}
        }
        before = Frame { stored, computed, commit: word(&frame, 4) != 0 };
    }
    Ok(None)
}

/// What the next frame goes on from.
struct Frame {
    stored: (u32, u32),
    computed: (u32, u32),
    /// Whether it is the last of a commit, which is on the disk before the next begins.
    commit: bool,
}

#[derive(Clone, Copy)]
struct Head {
    bytes: [u8; HEAD],
    magic: u32,
    page: u32,
    salts: (u32, u32),
    stored: (u32, u32),
}

impl Head {
    fn of(bytes: &[u8; HEAD]) -> Self {
        Self {
            bytes: *bytes,
            magic: word(bytes, 0),
            page: word(bytes, 8),
            salts: (word(bytes, 16), word(bytes, 20)),
            stored: (word(bytes, 24), word(bytes, 28)),
        }
    }

    fn big_endian(&self) -> bool {
        self.magic & 1 == 1
    }

    fn sum(&self) -> (u32, u32) {
        sum(self.big_endian(), &self.bytes[..24], (0, 0))
    }

    fn is_sound(&self) -> bool {
        self.magic & !1 == MAGIC
            && self.page.is_power_of_two()
            && (512..=65_536).contains(&self.page)
            && self.sum() == self.stored
    }

    /// Whether half of a new head stands over an older one: then all frames are in the file already.
    fn was_begun_anew(&self) -> bool {
        let mut older = *self;
        older.bytes[12..16].copy_from_slice(&word(&self.bytes, 12).wrapping_sub(1).to_be_bytes());
        older.sum() == self.stored
    }
}

const fn native() -> u32 {
    MAGIC | cfg!(target_endian = "big") as u32
}

/// Whether so much was there.
fn fill(log: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match log.read_exact(bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// A big-endian word.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// `SQLite`'s sum over pairs of words.
fn sum(big_endian: bool, bytes: &[u8], from: (u32, u32)) -> (u32, u32) {
    let (mut first, mut second) = from;
    for pair in bytes.chunks_exact(8) {
        let [one, other] = [0, 4].map(|at| if big_endian { word(pair, at) } else { word(pair, at).swap_bytes() });
        first = first.wrapping_add(one).wrapping_add(second);
        second = second.wrapping_add(other).wrapping_add(first);
    }
    (first, second)
}
