//! What a host's `stat` or `ls` said of names.

use super::{Fields, ToolError, number, number_at, word};

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    Block,
    /// A character device.
    Character,
    /// Something else.
    Unknown,
}

impl Kind {
    fn of(mode: &str) -> Self {
        match mode.as_bytes().first() {
            Some(b'-') => Kind::File,
            Some(b'd') => Kind::Directory,
            Some(b'l') => Kind::Symlink,
            Some(b'p') => Kind::Fifo,
            Some(b's') => Kind::Socket,
            Some(b'b') => Kind::Block,
            Some(b'c') => Kind::Character,
            _ => Kind::Unknown,
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
            Kind::Block => "block",
            Kind::Character => "char",
            Kind::Unknown => "unknown",
        }
    }
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Permissions as `ls -l` writes them, without the letter for the kind.
    pub mode: String,
    /// Bytes; of a device nothing.
    pub size: Option<u64>,
    /// Last change: seconds since 1970, or the words of `ls`.
    pub mtime: String,
    /// `owner:group`.
    pub owner: String,
    /// Target of a link, if the utility told it unmistakably.
    pub target: Option<Vec<u8>>,
}

/// A name and what is known of it; `None` if it went away before it was looked at.
pub type Named = (Vec<u8>, Option<Meta>);

/// Reads the groups that end a reply.
pub(crate) fn groups(fields: &mut Fields<'_>) -> Result<Vec<Named>, ToolError> {
    let mut all = Vec::new();
    while !fields.is_empty() {
        let words = fields.words()?;
        let form = word(&words, 1)?;
        let mut names = Vec::new();
        for _ in 0..number_at(&words, 0)? {
            names.push(fields.next()?);
        }
        let told = fields.next()?;
        let links = fields.next()?;
        all.extend(group(form, &names, told, links)?);
    }
    Ok(all)
}

fn group(form: &str, names: &[&[u8]], told: &[u8], links: &[u8]) -> Result<Vec<Named>, ToolError> {
    if form == "gone" {
        return Ok(names.iter().map(|name| (name.to_vec(), None)).collect());
    }
    // One name may hold a newline; several were chosen so that none does, or their lines hold no names.
    let each: Vec<&[u8]> = if names.len() == 1 { vec![told] } else { told.split(|b| *b == b'\n').collect() };
    if each.len() != names.len() {
        return Err(ToolError::protocol("not one line for each name"));
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    if form == "ls" {
        order.sort_by_key(|at| names[*at]);
    }
    let mut described: Vec<Named> = names.iter().map(|name| (name.to_vec(), None)).collect();
    for (at, line) in order.into_iter().zip(each) {
        described[at].1 = if form == "ls" { from_ls(names[at], line) } else { from_stat(line) };
    }
    if form != "ls" {
        add_targets(&mut described, links);
    }
    Ok(described)
}

/// Gives links their targets, unless a target held a newline, so that the lines cannot be told apart.
fn add_targets(described: &mut [Named], links: &[u8]) {
    let is_link = |(name, meta): &&mut Named| !name.contains(&b'\n') && meta.as_ref().is_some_and(|meta| meta.kind == Kind::Symlink);
    let wanted: Vec<&mut Named> = described.iter_mut().filter(is_link).collect();
    let mut told: Vec<&[u8]> = links.split(|b| *b == b'\n').collect();
    if told.len() != wanted.len() {
        return;
    }
    for (name, meta) in wanted {
        let arrow = [b" ", &name[..], b" -> "].concat();
        let found = told.iter().enumerate().find_map(|(at, line)| Some((at, after(line, &arrow)?)));
        if let (Some((at, target)), Some(meta)) = (found, meta) {
            told.swap_remove(at);
            meta.target = Some(target);
        }
    }
}

/// What follows the first place of `mark` in a line. Nothing if it holds `?`: some `ls` write that for what they cannot show.
fn after(line: &[u8], mark: &[u8]) -> Option<Vec<u8>> {
    let at = line.windows(mark.len()).position(|window| window == mark)?;
    Some(line[at + mark.len()..].to_vec()).filter(|target| !target.contains(&b'?'))
}

/// `-rw-r--r-- 12 1795179720 root:root`; the owner may hold spaces.
fn from_stat(line: &[u8]) -> Option<Meta> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.splitn(4, ' ');
    let mode = words.next()?;
    let kind = Kind::of(mode);
    let size = number(words.next()?.as_bytes());
    let mtime = words.next()?.to_owned();
    let owner = words.next()?.to_owned();
    let size = size.filter(|_| !matches!(kind, Kind::Block | Kind::Character));
    Some(Meta { kind, mode: mode.chars().skip(1).collect(), size, mtime, owner, target: None })
}

/// `-rw-r--r-- 1 root root 12 Nov 20 13:02 ./name`, or with `major, minor` in the place of the size.
fn from_ls(name: &[u8], line: &[u8]) -> Option<Meta> {
    // The name is cut off first, as it may hold anything; a line without it is about something else.
    let arrow = [b" ", name, b" -> "].concat();
    let target = after(line, &arrow);
    let end = [b" ", name].concat();
    let at = line.windows(end.len()).position(|window| window == end)?;
    let text = String::from_utf8_lossy(&line[..at]).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mode = words.first()?;
    let kind = Kind::of(mode);
    let device = matches!(kind, Kind::Block | Kind::Character);
    let date = if device { 6 } else { 5 };
    Some(Meta {
        kind,
        mode: mode.chars().skip(1).collect(),
        size: words.get(4).and_then(|size| number(size.as_bytes())).filter(|_| !device),
        mtime: words.get(date..).unwrap_or_default().join(" "),
        owner: format!("{}:{}", words.get(2).unwrap_or(&"?"), words.get(3).unwrap_or(&"?")),
        target: target.filter(|_| kind == Kind::Symlink),
    })
}
