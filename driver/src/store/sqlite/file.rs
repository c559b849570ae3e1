//! The file: making, opening, and what its errors mean.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{FORMAT, OLDEST, StoreError, lock, log};

/// "ccbs".
const APPLICATION: i32 = 0x6363_6273;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long a commit waits for another program that writes to the file.
const BUSY: Duration = Duration::from_secs(2);

/// Of a damaged store.
const WAY_OUT: &str = "Move it away together with its -wal, and restore it from a copy or begin without its orders";

/// The same, but for who does just that.
const LOOK: &str = "; `ccbs journal verify` tells what can be read";

const TABLES: &str = "
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY,
    now INTEGER NOT NULL,
    time TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%d %H:%M:%f', now / 1000.0, 'unixepoch')) VIRTUAL,
    kind TEXT NOT NULL,
    numbers TEXT NOT NULL,
    record BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshots (
    sequence INTEGER PRIMARY KEY,
    now INTEGER NOT NULL,
    time TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%d %H:%M:%f', now / 1000.0, 'unixepoch')) VIRTUAL,
    state BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE notes (
    part TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;
";

/// Whether the file at `path` is one of `SQLite`'s.
pub fn is_store(path: &Path) -> bool {
    let mut head = [0; 16];
    // A pipe would hold up whoever opens it.
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file && fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *MAGIC
}

pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(unwritable(path, "it is no regular file"));
    }
    // SQLite would make it readable to everybody; registrations and call logs are nobody else's.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| unwritable(path, &error.to_string()))?;
    check_log(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags).map_err(|error| failed(path, "opened", &error))?;
    let set_up = |file: &Connection| -> rusqlite::Result<(i32, i32)> {
        file.busy_timeout(BUSY)?;
        let found = identity(file)?;
        if found == (0, 0) && is_empty(file)? {
            make(file)?;
            return identity(file);
        }
        Ok(found)
    };
    let found = set_up(&file).map_err(|error| failed(path, "opened", &error))?;
    check(path, found)?;
    journaling(&file).map_err(|error| failed(path, "opened", &error))?;
    // From here on it may hold what an older ccbs does not know; where there is no room to say so, a later start does.
    match raise(&file, found.1).map_err(|error| failed(path, "opened", &error)) {
        Err(error) if !error.passing => return Err(error),
        _ => {}
    }
    // After a sync that failed the log may be in the system's memory and not on the disk, and no later sync would tell:
    // what it says is written anew.
    match checkpoint(&file, "TRUNCATE").map_err(|error| failed(path, "opened", &error)) {
        Err(error) if !error.passing => return Err(error),
        _ => {}
    }
    pages(path, &file, "quick_check")?;
    Ok(file)
}

/// What is known of a store's file without opening it: a pipe would hold up whoever opens it.
pub(super) fn found(path: &Path) -> Result<fs::Metadata, StoreError> {
    const EXPECTED: &str = "expected the file that store.path names in a configuration of ccbs; check the path";
    if path.as_os_str().is_empty() {
        return Err(StoreError::broken(format!("the path of the store is empty; {EXPECTED}")));
    }
    let shown = path.display();
    let found = fs::metadata(path).map_err(|error| StoreError::broken(format!("{shown}: {error}; {EXPECTED}")))?;
    if !found.is_file() {
        return Err(StoreError::broken(format!("{shown} is no regular file; {EXPECTED}")));
    }
    Ok(found)
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    found(path)?;
    if let Err(error) = check_log(path) {
        // A server that writes meanwhile is ahead of who reads the log from its beginning.
        if !lock::is_held(path) {
            return Err(error);
        }
    }
    let unread = |error: &rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::broken(format!(
            "the store {} cannot be read where it is: {error}. SQLite makes files beside it while it reads: copy it, and \
             its -wal, to a directory that you may write",
            path.display()
        )),
        _ => failed(path, "read", error),
    };
    let (file, found) = match open_as_it_is(path, "") {
        // Nobody writes to a file on such a disk, and without a log all of it is in the file.
        Err(error) if is_unwritable(&error) && log::is_empty(path) => open_as_it_is(path, "&immutable=1"),
        opened => opened,
    }
    .map_err(|error| unread(&error))?;
    check(path, found)?;
    Ok(file)
}

fn is_unwritable(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
}

fn open_as_it_is(path: &Path, more: &str) -> rusqlite::Result<(Connection, (i32, i32))> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let octets = path.as_os_str().as_encoded_bytes();
    let name = octets.iter().fold(String::new(), |name, octet| name + &format!("%{octet:02x}"));
    let file = Connection::open_with_flags(format!("file:{name}?mode=ro{more}"), flags)?;
    file.busy_timeout(BUSY)?;
    let found = identity(&file)?;
    Ok((file, found))
}

fn check_log(path: &Path) -> Result<(), StoreError> {
    match log::damage(path) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(damaged(path, &what)),
        Err(error) => Err(StoreError::broken(format!("the log of the store {}: {error}", path.display()))),
    }
}

/// Has what the log holds written to the file, as far as nobody reads it.
pub(super) fn checkpoint(file: &Connection, how: &str) -> rusqlite::Result<()> {
    file.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))
}

/// How many pages of the log are not in the file yet.
pub(super) fn log_pages(file: &Connection) -> rusqlite::Result<i64> {
    file.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
}

/// `SQLite`'s own check of every page: a page that lost a row has no wrong sum.
pub(super) fn pages(path: &Path, file: &Connection, how: &str) -> Result<(), StoreError> {
    let told: String = file
        .query_row(&format!("PRAGMA {how}(1)"), [], |row| row.get(0))
        .map_err(|error| failed(path, "read", &error))?;
    if told == "ok" { Ok(()) } else { Err(damaged(path, &told)) }
}

fn make(file: &Connection) -> rusqlite::Result<()> {
    journaling(file)?;
    file.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))
}

fn raise(file: &Connection, format: i32) -> rusqlite::Result<()> {
    if format == FORMAT { Ok(()) } else { file.execute_batch(&format!("PRAGMA user_version = {FORMAT}")) }
}

/// A commit returns when the log has it on the disk.
fn journaling(file: &Connection) -> rusqlite::Result<()> {
    // Where the switch to it fails, SQLite goes on with the mode of before and says so here only.
    let mode: String = file.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        return Err(rusqlite::Error::SqliteFailure(refused, Some(format!("its log could not be made, mode {mode}"))));
    }
    file.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = OFF; \
         PRAGMA cell_size_check = ON;",
    )
}

fn identity(file: &Connection) -> rusqlite::Result<(i32, i32)> {
    let pragma = |name: &str| file.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

fn is_empty(file: &Connection) -> rusqlite::Result<bool> {
    file.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn check(path: &Path, (application, format): (i32, i32)) -> Result<(), StoreError> {
    let path = path.display();
    if application != APPLICATION {
        return Err(StoreError::broken(format!(
            "{path} is no store of ccbs: it is an SQLite file of another program. Give store.path another file"
        )));
    }
    if !(OLDEST..=FORMAT).contains(&format) {
        return Err(StoreError::broken(format!(
            "{path} is a store of format {format}, this ccbs knows formats {OLDEST} to {FORMAT}. Run the ccbs that wrote it, or \
             give store.path a new file, which has none of its orders"
        )));
    }
    Ok(())
}

fn unwritable(path: &Path, error: &str) -> StoreError {
    StoreError::broken(format!(
        "the store {} cannot be written: {error}. Let ccbs write it and its directory, or give store.path another \
         file",
        path.display()
    ))
}

/// What an error of `SQLite`'s means, and what to do.
pub(super) fn failed(path: &Path, what: &str, error: &rusqlite::Error) -> StoreError {
    let shown = path.display();
    let code = match error {
        // Where its index beside the log cannot grow, SQLite says that the disk failed.
        rusqlite::Error::SqliteFailure(error, _) if error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            Some(ErrorCode::DiskFull)
        }
        error => error.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DiskFull) => StoreError::passing(format!(
            "there is no room for the store {shown}: {error}. Make room on its disk; orders that stand are kept, new \
             ones are denied until then"
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::passing(format!(
            "the store {shown} is held by another program that writes to it: {error}. End that program; new orders \
             are denied until then"
        )),
        Some(ErrorCode::NotADatabase) => StoreError::broken(format!(
            "{shown} is no store of ccbs, or its first page is damaged. Give store.path another file, or restore it \
             from a copy"
        )),
        Some(ErrorCode::DatabaseCorrupt) => {
            StoreError::broken(format!("the store {shown} is damaged: {error}. {WAY_OUT}{LOOK}"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            unwritable(path, &error.to_string())
        }
        Some(ErrorCode::SystemIoFailure) => StoreError::broken(format!(
            "the disk of the store {shown} failed: {error}. See the kernel's log; start ccbs again when the disk is \
             sound, on a copy if it is not"
        )),
        _ => StoreError::broken(format!("the store {shown} could not be {what}: {error}")),
    }
}

/// The error as it is told by who has just checked the store.
pub(super) fn after_a_check(mut error: StoreError) -> StoreError {
    error.message = error.message.replace(LOOK, "");
    error
}

/// Something that was kept is not as it was written.
pub(super) fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::broken(format!("the store {} is damaged: {what}. {WAY_OUT}{LOOK}", path.display()))
}
