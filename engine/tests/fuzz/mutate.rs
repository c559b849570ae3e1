//! Damage: to bytes, and to the values of `MessagePack`.

use super::random::Random;

/// Damages bytes once: a flip, a byte put in or taken out, a cut, a row moved or repeated.
pub(crate) fn bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(random.byte());
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 | 3 => bytes[at] = random.byte(),
        4 => bytes.insert(at, random.byte()),
        5 => drop(bytes.remove(at)),
        6 => bytes.truncate(at),
        _ => {
            let length = 1 + random.below((bytes.len() - at).min(32));
            let row: Vec<u8> = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len());
            if random.once_in(2) {
                bytes.splice(to..to, row);
            } else {
                let end = (to + length).min(bytes.len());
                bytes[to..end].copy_from_slice(&row[..end - to]);
            }
        }
    }
}

/// What a value begins with: where, how long that is, and what it is.
#[derive(Debug, Clone, Copy)]
struct Head {
    at: usize,
    length: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Integer,
    Array(u32),
    Map(u32),
    Text(u32),
    Nil,
    Boolean,
    Other(u32),
}

/// The heads of all values, in their order; ends where the bytes are no `MessagePack`.
fn heads(bytes: &[u8]) -> Vec<Head> {
    let mut heads = Vec::new();
    let mut at = 0;
    let big = |from: usize, count: usize| {
        let found = bytes.get(from..from + count)?;
        Some(found.iter().fold(0_u32, |value, &byte| value << 8 | u32::from(byte)))
    };
    while let Some(&first) = bytes.get(at) {
        let low = u32::from(first & 0x1f);
        let head = match first {
            0x00..=0x7f | 0xe0..=0xff => Some((1, What::Integer)),
            0x80..=0x8f => Some((1, What::Map(low & 0xf))),
            0x90..=0x9f => Some((1, What::Array(low & 0xf))),
            0xa0..=0xbf => Some((1, What::Text(low))),
            0xc0 => Some((1, What::Nil)),
            0xc2 | 0xc3 => Some((1, What::Boolean)),
            0xc4 => big(at + 1, 1).map(|length| (2, What::Other(length))),
            0xcc | 0xd0 => Some((2, What::Integer)),
            0xcd | 0xd1 => Some((3, What::Integer)),
            0xce | 0xd2 => Some((5, What::Integer)),
            0xcf | 0xd3 => Some((9, What::Integer)),
            0xd9 => big(at + 1, 1).map(|length| (2, What::Text(length))),
            0xda => big(at + 1, 2).map(|length| (3, What::Text(length))),
            0xdc => big(at + 1, 2).map(|length| (3, What::Array(length))),
            0xdd => big(at + 1, 4).map(|length| (5, What::Array(length))),
            0xde => big(at + 1, 2).map(|length| (3, What::Map(length))),
            _ => None,
        };
        let Some((length, what)) = head.filter(|(length, _)| at + length <= bytes.len()) else { break };
        heads.push(Head { at, length, what });
        at += length;
        if let What::Text(inner) | What::Other(inner) = what {
            at += inner as usize;
        }
    }
    heads
}

/// Where the value that begins with a head ends.
fn end_of(heads: &[Head], index: usize, bytes: usize) -> (usize, usize) {
    let (mut left, mut next) = (1_u64, index);
    while left > 0 && next < heads.len() {
        left -= 1;
        left += match heads[next].what {
            What::Array(length) => u64::from(length),
            What::Map(length) => 2 * u64::from(length),
            _ => 0,
        };
        next += 1;
    }
    (next, heads.get(next).map_or(bytes, |head| head.at))
}

fn put(random: &mut Random, into: &mut Vec<u8>) {
    let number = random.number();
    match random.below(5) {
        // In the shortest form, which is how the engine writes them.
        0..3 => match number {
            0..=0x7f => into.push(number.to_be_bytes()[7]),
            0x80..=0xff => into.extend([&[0xcc], &number.to_be_bytes()[7..]].concat()),
            0x100..=0xffff => into.extend([&[0xcd], &number.to_be_bytes()[6..]].concat()),
            0x1_0000..=0xffff_ffff => into.extend([&[0xce], &number.to_be_bytes()[4..]].concat()),
            _ => into.extend([&[0xcf], &number.to_be_bytes()[..]].concat()),
        },
        3 => into.push(0xc0),
        _ => into.extend([&[0xcf], &number.to_be_bytes()[..]].concat()),
    }
}

/// Damages one value of `MessagePack` and leaves the others whole: another integer, another length, two values of one
/// kind swapped, one gone or doubled, a truth turned round, something instead of nothing.
pub(crate) fn value(random: &mut Random, bytes: &mut Vec<u8>) {
    let heads = heads(bytes);
    if heads.len() < 2 {
        return self::bytes(random, bytes);
    }
    let index = random.below(heads.len());
    let Head { at, length, what } = heads[index];
    let (_, end) = end_of(&heads, index, bytes.len());
    let mut new = Vec::new();
    match (random.below(8), what) {
        (0..5, What::Integer) => {
            if random.once_in(3) && bytes[at] < 0x7f {
                new.push(bytes[at].wrapping_add(*random.pick(&[1, 0xff])) & 0x7f);
            } else {
                put(random, &mut new);
            }
            bytes.splice(at..at + length, new);
        }
        (0..4, What::Boolean) => bytes[at] ^= 1,
        (0..5, What::Nil) => {
            put(random, &mut new);
            bytes.splice(at..end, new);
        }
        (0, What::Array(_) | What::Map(_)) => {
            // A length that nothing follows; never allocate for it.
            let long = u32::try_from(random.number() & 0xffff_ffff).expect("four bytes");
            new.push(if matches!(what, What::Array(_)) { 0xdd } else { 0xdf });
            new.extend(long.to_be_bytes());
            bytes.splice(at..at + length, new);
        }
        (1, What::Array(count @ 1..15)) if length == 1 => {
            // One element fewer, or the first one twice, and the length says so.
            let (_, first) = end_of(&heads, index + 1, bytes.len());
            let element = bytes[at + 1..first].to_vec();
            if random.once_in(2) {
                bytes[at] = 0x90 | u8::try_from(count - 1).expect("below 15");
                bytes.drain(at + 1..first);
            } else {
                bytes[at] = 0x90 | u8::try_from(count + 1).expect("up to 15");
                bytes.splice(first..first, element);
            }
        }
        (0, What::Text(_)) => {
            let number = random.number();
            bytes.splice(at..at + length, [&[0xdb], &number.to_be_bytes()[4..]].concat());
        }
        (1, _) => drop(bytes.splice(at..end, [0xc0])),
        _ => {
            // A value that begins alike, somewhere else, changes places with this one.
            let alike: Vec<usize> = (0..heads.len())
                .filter(|&other| std::mem::discriminant(&heads[other].what) == std::mem::discriminant(&what))
                .collect();
            let other = *random.pick(&alike);
            let (from, to) = (heads[other].at, end_of(&heads, other, bytes.len()).1);
            let theirs = bytes[from..to].to_vec();
            let ours = bytes[at..end].to_vec();
            if to <= at {
                bytes.splice(at..end, theirs);
                bytes.splice(from..to, ours);
            } else if end <= from {
                bytes.splice(from..to, ours);
                bytes.splice(at..end, theirs);
            } else {
                bytes.splice(at..end, theirs);
            }
        }
    }
}
