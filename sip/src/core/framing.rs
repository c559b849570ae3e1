//! Messages out of a stream of bytes (RFC 3261 18.3, RFC 5626 4.4.1).
//!
//! Frames only: whole messages go through the same parser as datagrams, byte for byte as they came.

use bytes::{Buf, Bytes, BytesMut};

/// What stood next in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A whole message; its body begins at this octet.
    Message(Bytes, usize),
    /// A keepalive (CRLF CRLF), to be answered with CRLF.
    Ping,
}

/// Why nothing that follows can be told apart; the connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unframed {
    /// No Content-Length: the message up to its body.
    NoLength(Bytes),
    /// Content-Length is no number, or there are two.
    BadLength,
    /// The message is longer than is taken.
    TooLong,
}

/// One direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Framer {
    buffer: BytesMut,
    /// The end of the head is not before here.
    scanned: usize,
    /// Where the body of the first message begins and where it ends, once its head is complete.
    whole: Option<(usize, usize)>,
    /// CRLFs since the last message or ping.
    line_ends: u8,
}

impl Framer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun that is not complete.
    pub(super) fn is_within(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame, if it is complete; none after an error.
    pub(super) fn next(&mut self, longest: usize) -> Result<Option<Frame>, Unframed> {
        if self.whole.is_none() && self.skipped() {
            return Ok(Some(Frame::Ping));
        }
        if let Err(unframed) = self.measure(longest) {
            self.buffer.clear();
            return Err(unframed);
        }
        let Some((body, end)) = self.whole.filter(|(_, end)| self.buffer.len() >= *end) else { return Ok(None) };
        (self.whole, self.scanned, self.line_ends) = (None, 0, 0);
        let message = self.buffer.split_to(end).freeze();
        if self.buffer.is_empty() {
            // What a message came in is not kept while its connection is silent.
            self.buffer = BytesMut::new();
        }
        Ok(Some(Frame::Message(message, body)))
    }

    /// Passes over what may stand between messages; true when it was a ping.
    fn skipped(&mut self) -> bool {
        while let Some(&octet) = self.buffer.first() {
            match octet {
                b'\r' if self.buffer.len() == 1 => return false,
                b'\r' if self.buffer[1] == b'\n' => {
                    self.buffer.advance(2);
                    self.line_ends += 1;
                    if self.line_ends == 2 {
                        self.line_ends = 0;
                        return true;
                    }
                }
                // Not in the standards, but phones pad with them.
                b'\r' | b'\n' | 0 => self.buffer.advance(1),
                _ => return false,
            }
        }
        false
    }

    /// Finds where the first message ends, as far as that can be told.
    fn measure(&mut self, longest: usize) -> Result<(), Unframed> {
        if self.whole.is_some() {
            return Ok(());
        }
        let found = self.buffer[self.scanned..].windows(4).position(|window| window == b"\r\n\r\n");
        let Some(head) = found.map(|at| self.scanned + at) else {
            self.scanned = self.buffer.len().saturating_sub(3);
            return if self.buffer.len() > longest { Err(Unframed::TooLong) } else { Ok(()) };
        };
        let body = head + 4;
        let end = match content_length(&self.buffer[..head]) {
            Ok(Some(length)) => body.saturating_add(length),
            Ok(None) => return Err(Unframed::NoLength(self.buffer.split_to(body).freeze())),
            Err(BadLength) => return Err(Unframed::BadLength),
        };
        if end > longest {
            return Err(Unframed::TooLong);
        }
        self.whole = Some((body, end));
        Ok(())
    }
}

struct BadLength;

/// The value of Content-Length in a head, read as the parser of whole messages reads it.
fn content_length(head: &[u8]) -> Result<Option<usize>, BadLength> {
    let mut length = None;
    let mut lines = head.split(|&octet| octet == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = line.iter().position(|&octet| octet == b':') else { continue };
        let name = line[..colon].trim_ascii_end();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let mut value = line[colon + 1..].trim_ascii().to_vec();
        while let Some(more) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            value.extend_from_slice(more.trim_ascii());
        }
        let digits = std::str::from_utf8(&value).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        let value = digits.filter(|digits| !digits.is_empty()).ok_or(BadLength)?;
        if length.replace(value.parse().unwrap_or(usize::MAX)).is_some() {
            return Err(BadLength);
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 1_000;

    fn message(lines: &str, body: &str) -> String {
        format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bKx\r\n{lines}\r\n\r\n{body}")
    }

    /// All frames of a stream that arrives in these pieces.
    fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Result<(), Unframed>) {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next(LONGEST) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(unframed) => return (frames, Err(unframed)),
                }
            }
        }
        assert!(!framer.is_within());
        (frames, Ok(()))
    }

    #[test]
    fn a_stream_is_the_same_frames_however_it_is_cut() {
        let messages =
            [message("Content-Length: 5", "v=0\r\n"), message("l : 0", ""), message("CONTENT-LENGTH:\r\n 2", "\r\n")];
        let stream = format!("\r\n{}\r\n\r\n{}{}\r\n\r\n", messages[0], messages[1], messages[2]);
        let whole = |message: &String| {
            let body = message.find("\r\n\r\n").unwrap() + 4;
            Frame::Message(Bytes::from(message.clone()), body)
        };
        let expected =
            [whole(&messages[0]), Frame::Ping, whole(&messages[1]), whole(&messages[2]), Frame::Ping].to_vec();
        let octets = stream.as_bytes();
        for at in 0..=octets.len() {
            let (head, tail) = octets.split_at(at);
            assert_eq!(frames([head, tail]), (expected.clone(), Ok(())), "cut at {at}");
        }
        assert_eq!(frames(octets.chunks(1)), (expected, Ok(())));
    }

    #[test]
    fn what_has_no_end_that_can_be_told_is_given_up() {
        let lost = |text: String| frames([text.as_bytes()]).1.unwrap_err();
        assert!(matches!(lost(message("X: y", "")), Unframed::NoLength(head) if head.ends_with(b"X: y\r\n\r\n")));
        for length in ["-1", "five", "", "1 2", "+3", "0\r\nContent-Length: 0", "0\r\nl: 1"] {
            assert_eq!(lost(message(&format!("Content-Length: {length}"), "")), Unframed::BadLength, "{length:?}");
        }
        for length in ["1001", "18446744073709551615", "18446744073709551616", "99999999999999999999999999"] {
            assert_eq!(lost(message(&format!("Content-Length: {length}"), "")), Unframed::TooLong, "{length}");
        }
        assert_eq!(lost("x".repeat(LONGEST + 1)), Unframed::TooLong, "a head without an end");
    }

    #[test]
    fn a_ping_is_two_line_ends_and_an_answer_to_ours_is_one() {
        assert_eq!(frames([&b"\r\n"[..], b"\r\n", b"\r", b"\n\0\n"]).0, [Frame::Ping]);
        let mut framer = Framer::default();
        framer.push(b"\r");
        assert_eq!(framer.next(LONGEST), Ok(None));
        assert!(framer.is_within());
    }
}
