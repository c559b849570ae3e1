//! What a message is matched to its transaction by, in one allocation that both of its maps share.

use std::sync::Arc;

use sipx_sip::TransactionKey;

/// The fields of a [`TransactionKey`], each behind its length.
pub(super) type Key = Arc<[u8]>;

/// The key as it is kept.
pub(super) fn packed(key: &TransactionKey) -> Key {
    let mut out = Vec::with_capacity(96);
    let mut field = |bytes: &[u8]| {
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    let parts: &[&Vec<u8>] = match key {
        TransactionKey::Rfc3261 { branch, sent_by, method } => &[branch, sent_by, method],
        TransactionKey::Legacy { request_uri, top_via, from_tag, to_tag, call_id, cseq, method } => {
            field(&cseq.to_be_bytes());
            &[request_uri, top_via, from_tag, to_tag, call_id, method]
        }
    };
    for part in parts {
        field(part);
    }
    Arc::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(branch: &str, sent_by: &str, method: &str) -> TransactionKey {
        TransactionKey::Rfc3261 { branch: branch.into(), sent_by: sent_by.into(), method: method.into() }
    }

    #[test]
    fn keys_are_equal_when_all_their_fields_are() {
        assert_eq!(packed(&new("z9hG4bKa", "h:1", "BYE")), packed(&new("z9hG4bKa", "h:1", "BYE")));
        for other in [new("z9hG4bKa", "h:1", "INFO"), new("z9hG4bKah", ":1", "BYE"), new("z9hG4bK", "ah:1", "BYE")] {
            assert_ne!(packed(&new("z9hG4bKa", "h:1", "BYE")), packed(&other), "{other:?}");
        }
    }

    #[test]
    fn a_key_of_the_old_kind_is_none_of_the_new() {
        let legacy = |cseq| TransactionKey::Legacy {
            request_uri: b"sip:a".to_vec(),
            top_via: Vec::new(),
            from_tag: b"t".to_vec(),
            to_tag: Vec::new(),
            call_id: b"c".to_vec(),
            cseq,
            method: b"BYE".to_vec(),
        };
        assert_eq!(packed(&legacy(1)), packed(&legacy(1)));
        assert_ne!(packed(&legacy(1)), packed(&legacy(2)));
        assert_ne!(packed(&legacy(1)), packed(&new("t", "c", "BYE")));
    }
}
