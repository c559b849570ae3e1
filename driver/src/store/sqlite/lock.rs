//! One process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;

/// Held while the store is open. The file stays: who removes it could let two processes in.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let path = beside(store);
        let failed = |error: &std::io::Error| {
            StoreError::broken(format!(
                "the store's lock {} cannot be written: {error}. Let ccbs write in its directory, or give store.path \
                 another one",
                path.display()
            ))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Who holds it is a help only.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process" } else { holder };
                return Err(StoreError::broken(format!(
                    "the store {} is in use by {holder}. Stop that process, or give store.path another file",
                    store.display()
                )));
            }
            Err(error) => return Err(failed(&error.into())),
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        match file.set_len(0).and_then(|()| writeln!(file, "process {} on host {host}", std::process::id())) {
            // On a full disk there is no room for the name, which is a help only.
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => Err(failed(&error)),
            _ => Ok(Self { _file: file }),
        }
    }
}

/// Whether a process has the store open for writing.
pub(super) fn is_held(store: &Path) -> bool {
    File::open(beside(store))
        .is_ok_and(|file| matches!(flock(&file, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK)))
}

/// The lock's file: that of the store's own name, whatever link leads to it.
pub(super) fn beside(store: &Path) -> PathBuf {
    let mut path = store.canonicalize().unwrap_or_else(|_| store.to_owned()).into_os_string();
    path.push(".lock");
    path.into()
}
