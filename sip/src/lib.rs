//! A SIP back-to-back user agent: sans-IO core, RTP prompt player, sockets.
//!
//! Knows neither Python nor callbacks.
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod core;
pub mod endpoint;
pub mod media;
mod net;
pub mod prompt;
pub mod registrar;
pub mod rtp;
pub mod sdp;
