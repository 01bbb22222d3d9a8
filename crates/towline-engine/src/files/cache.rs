//! Contents of files that were seen whole, so that an Edit travels as a splice.
//!
//! Holds to: a bound on bytes and on entries, the least recently used goes first. A content may be stale: the host compares its
//! name before anything is changed. Leaves out: what a session read (see `guard`); contents are nobody's.

use std::sync::Arc;

use towline_base::{HostAlias, limits};
use towline_proto::files::Tag;

/// Most contents that are kept, however small they are.
const ENTRIES: usize = 256;

/// A content, and where it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    host: HostAlias,
    /// The path without links.
    pub(crate) real: Vec<u8>,
    /// The absolute path by which it was asked for.
    path: Vec<u8>,
    pub(crate) tag: Tag,
    pub(crate) bytes: Arc<[u8]>,
}

/// Contents, the least recently used first.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    contents: Vec<Content>,
    bytes: usize,
}

impl Cache {
    /// Keeps a content in the place of what was known of that file.
    pub(crate) fn put(&mut self, host: &HostAlias, real: &[u8], path: &[u8], tag: Tag, bytes: Arc<[u8]>) {
        self.forget(host, real);
        if bytes.len() > limits::CONTENT_CACHE_BYTES {
            return;
        }
        self.bytes += bytes.len();
        self.contents.push(Content { host: host.clone(), real: real.to_vec(), path: path.to_vec(), tag, bytes });
        while self.bytes > limits::CONTENT_CACHE_BYTES || self.contents.len() > ENTRIES {
            self.bytes -= self.contents.remove(0).bytes.len();
        }
    }

    /// Lets go of what is known of a file.
    pub(crate) fn forget(&mut self, host: &HostAlias, real: &[u8]) {
        if let Some(at) = self.contents.iter().position(|content| content.host == *host && content.real == real) {
            self.bytes -= self.contents.remove(at).bytes.len();
        }
    }

    /// The content of the file that this absolute path most probably leads to.
    pub(crate) fn get(&mut self, host: &HostAlias, path: &[u8]) -> Option<Content> {
        let here = |content: &Content| content.host == *host && (content.path == path || content.real == path);
        let at = self.contents.iter().rposition(here)?;
        let content = self.contents.remove(at);
        self.contents.push(content.clone());
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bounds_and_forgets_the_oldest() {
        let host = HostAlias::parse("h").unwrap();
        let tag = Tag::parse(b"c:1:1").unwrap();
        let mut cache = Cache::default();
        let part = limits::CONTENT_CACHE_BYTES / 3;
        let content: Arc<[u8]> = vec![0; part].into();
        for name in [b"/a", b"/b", b"/c"] {
            cache.put(&host, name, name, tag.clone(), content.clone());
        }
        assert!(cache.get(&host, b"/a").is_some());
        cache.put(&host, b"/d", b"/link", tag.clone(), content.clone());
        assert!(cache.get(&host, b"/b").is_none(), "the least recently used");
        assert_eq!(cache.get(&host, b"/link").unwrap().real, b"/d");
        assert!(cache.get(&host, b"/d").is_some() && cache.get(&host, b"/a").is_some());
        cache.put(&host, b"/d", b"/d", tag.clone(), vec![0; limits::CONTENT_CACHE_BYTES + 1].into());
        assert!(cache.get(&host, b"/d").is_none(), "too large to keep, and the old one is not true any more");
        for number in 0..1000 {
            cache.put(&host, format!("/{number}").as_bytes(), b"/x", tag.clone(), Arc::from(&b""[..]));
        }
        assert!(cache.contents.len() <= ENTRIES && cache.bytes <= limits::CONTENT_CACHE_BYTES);
        assert!(cache.get(&HostAlias::parse("other").unwrap(), b"/x").is_none());
    }
}
