//! Errors of the SIP endpoint as Python raises them.

use ccbs_sip::endpoint::{CommandError, ListenError, OutOfRange};
use ccbs_sip::prompt::PromptError;

use crate::error::Error;

impl From<OutOfRange> for Error {
    fn from(error: OutOfRange) -> Self {
        Self::InvalidValue { field: error.field.into(), message: error.to_string() }
    }
}

impl From<PromptError> for Error {
    fn from(error: PromptError) -> Self {
        Self::Prompt(error.to_string())
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Overload => Self::Overload(error.to_string()),
            CommandError::Closed => Self::Closed(error.to_string()),
        }
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        let message = error.to_string();
        let errno = match error {
            ListenError::InUse(..) => Some(rustix::io::Errno::ADDRINUSE),
            ListenError::NotPermitted(..) => Some(rustix::io::Errno::ACCESS),
            ListenError::NotLocal(..) => Some(rustix::io::Errno::ADDRNOTAVAIL),
            ListenError::NoAdvertise(_) | ListenError::BadAdvertise(..) => {
                return Self::InvalidValue { field: "advertise".into(), message };
            }
            ListenError::NoRtpPorts(..) => return Self::InvalidValue { field: "rtp_ports".into(), message },
            ListenError::Nowhere => return Self::InvalidValue { field: "transports".into(), message },
            ListenError::NotASocket(..) | ListenError::NotListened(..) => {
                return Self::InvalidValue { field: "sockets".into(), message };
            }
            ListenError::TooMany(_) => return Self::InvalidValue { field: "also".into(), message },
            ListenError::Io(_, _, error) => {
                return Self::Listen { errno: error.raw_os_error(), message };
            }
        };
        Self::Listen { errno: errno.map(rustix::io::Errno::raw_os_error), message }
    }
}
