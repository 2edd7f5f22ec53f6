//! Which interpreters this machine has: Node.js, Python and Java.
//!
//! A Lambda runtime name asks for an exact minor version. If the machine has it, it is used; otherwise the nearest newer
//! one, else the newest older one, and [`Interpreter::exact`] says so. A shim (a script that picks a version) is never
//! used: it would not work inside a sandbox, so real binaries are looked for where version managers keep them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    Node,
    Python,
    /// Only where there is a compiler too: what loads a handler is compiled here.
    Java,
}

/// A version as (major, minor); Node.js runtimes care about the major version only.
pub type Version = (u32, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    pub language: Language,
    pub version: Version,
    pub program: PathBuf,
    /// The installation that must be visible to the program, unless the system's `/usr` already holds it.
    pub prefix: Option<PathBuf>,
    /// Whether it is the version that was asked for.
    pub exact: bool,
}

/// A Lambda runtime identifier, as far as it can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    Interpreted(Language, Version),
    /// The function brings its own `bootstrap`.
    Provided,
}

impl Runtime {
    /// `None` for runtimes that are not supported.
    pub fn parse(name: &str) -> Option<Self> {
        if matches!(name, "provided" | "provided.al2" | "provided.al2023") {
            return Some(Self::Provided);
        }
        if let Some(major) = name.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x")) {
            return Some(Self::Interpreted(Language::Node, (major.parse().ok()?, 0)));
        }
        if let Some(version) = name.strip_prefix("java") {
            let major = version.split('.').next().unwrap_or_default().parse().ok()?;
            return Some(Self::Interpreted(Language::Java, (major, 0)));
        }
        let (major, minor) = name.strip_prefix("python")?.split_once('.')?;
        Some(Self::Interpreted(Language::Python, (major.parse().ok()?, minor.parse().ok()?)))
    }
}

/// The interpreters found below some directories.
#[derive(Clone, Debug, Default)]
pub struct Interpreters {
    found: Vec<Interpreter>,
}

impl Interpreters {
    /// Looks through a `PATH` and the usual places of version managers below a home directory.
    pub fn discover(path: &str, home: Option<&Path>) -> Self {
        let mut directories: Vec<PathBuf> =
            path.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
        directories.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        if let Some(home) = home {
            for versions in
                [".pyenv/versions", ".nvm/versions/node", ".local/share/fnm/node-versions", ".volta/tools/image/node"]
            {
                directories.extend(
                    children(&home.join(versions)).flat_map(|dir| [dir.join("bin"), dir.join("installation/bin")]),
                );
            }
        }
        let mut found: Vec<Interpreter> = Vec::new();
        for directory in directories {
            for interpreter in in_directory(&directory) {
                let known = |other: &Interpreter| {
                    (other.language, other.version) == (interpreter.language, interpreter.version)
                };
                if !found.iter().any(known) {
                    found.push(interpreter);
                }
            }
        }
        Self { found }
    }

    pub fn all(&self) -> &[Interpreter] {
        &self.found
    }

    /// The best stand-in for a version.
    pub fn find(&self, language: Language, wanted: Version) -> Option<Interpreter> {
        let by_major = matches!(language, Language::Node | Language::Java);
        let same = |version: Version| version == wanted || (by_major && version.0 == wanted.0);
        let of_language = || self.found.iter().filter(move |one| one.language == language);
        let exact = of_language().filter(|one| same(one.version)).max_by_key(|one| one.version);
        let newer = || of_language().filter(|one| one.version > wanted).min_by_key(|one| one.version);
        let older = || of_language().filter(|one| one.version.0 == wanted.0 || by_major).max_by_key(|one| one.version);
        let chosen = exact.or_else(newer).or_else(older)?;
        Some(Interpreter { exact: same(chosen.version), ..chosen.clone() })
    }
}

fn in_directory(directory: &Path) -> Vec<Interpreter> {
    let mut found = Vec::new();
    for entry in children(directory) {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        let language = match name {
            "node" => Language::Node,
            "java" => Language::Java,
            _ if name.strip_prefix("python3.").is_some_and(|minor| minor.parse::<u32>().is_ok()) => Language::Python,
            _ => continue,
        };
        let Some(program) = real_binary(&entry) else { continue };
        let prefix = program.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        let version = match language {
            Language::Python => python_version(name),
            Language::Node => node_version(&prefix, &program),
            Language::Java => java_version(&prefix),
        };
        if let Some(version) = version {
            let prefix = (!prefix.starts_with("/usr")).then_some(prefix);
            found.push(Interpreter { language, version, program, prefix, exact: true });
        }
    }
    found
}

/// Follows links to an ELF or Mach-O file; a script is not an interpreter.
fn real_binary(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let mut magic = [0; 2];
    fs::File::open(&path).ok()?.read_exact(&mut magic).ok()?;
    (&magic != b"#!").then_some(path)
}

fn python_version(name: &str) -> Option<Version> {
    let (major, minor) = name.strip_prefix("python")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// From the headers that Node.js installs, else from a version manager's directory name, else by asking (40 ms).
fn node_version(prefix: &Path, program: &Path) -> Option<Version> {
    version_in_headers(prefix).or_else(|| parse_version(prefix.file_name()?.to_str()?)).or_else(|| {
        let answer = Command::new(program).arg("--version").env_clear().output().ok()?;
        parse_version(std::str::from_utf8(&answer.stdout).ok()?)
    })
}

/// From the file that every JDK has; `None` without a compiler.
fn java_version(prefix: &Path) -> Option<Version> {
    if !compiler(prefix).is_file() {
        return None;
    }
    let release = fs::read_to_string(prefix.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    Some((version.split(['.', '"', '-', '+']).next()?.parse().ok()?, 0))
}

fn compiler(prefix: &Path) -> PathBuf {
    prefix.join("bin/javac")
}

impl Interpreter {
    /// The compiler beside a Java interpreter.
    pub fn compiler(&self) -> PathBuf {
        compiler(self.program.parent().and_then(Path::parent).unwrap_or(Path::new("/")))
    }
}

fn version_in_headers(prefix: &Path) -> Option<Version> {
    let header = fs::read_to_string(prefix.join("include/node/node_version.h")).ok()?;
    let number = |name: &str| {
        let line =
            header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    };
    Some((number("NODE_MAJOR_VERSION")?, number("NODE_MINOR_VERSION")?))
}

/// `v20.11.1`
fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(versions: &[(Language, Version)]) -> Interpreters {
        let found = versions.iter().map(|(language, version)| Interpreter {
            language: *language,
            version: *version,
            program: "/x".into(),
            prefix: None,
            exact: true,
        });
        Interpreters { found: found.collect() }
    }

    #[test]
    fn runtime_names() {
        assert_eq!(Runtime::parse("nodejs20.x"), Some(Runtime::Interpreted(Language::Node, (20, 0))));
        assert_eq!(Runtime::parse("python3.12"), Some(Runtime::Interpreted(Language::Python, (3, 12))));
        assert_eq!(Runtime::parse("provided.al2023"), Some(Runtime::Provided));
        assert_eq!(Runtime::parse("cobol"), None);
    }

    #[test]
    fn versions_in_text() {
        assert_eq!(parse_version("v20.11.1\n"), Some((20, 11)));
        assert_eq!(parse_version("lib"), None);
    }

    #[test]
    fn exact_before_newer_before_older() {
        let machine = with(&[(Language::Python, (3, 9)), (Language::Python, (3, 11)), (Language::Node, (20, 19))]);
        let version = |language, wanted| machine.find(language, wanted).map(|found| (found.version, found.exact));
        assert_eq!(version(Language::Python, (3, 11)), Some(((3, 11), true)));
        assert_eq!(version(Language::Python, (3, 10)), Some(((3, 11), false)));
        assert_eq!(version(Language::Python, (3, 13)), Some(((3, 11), false)));
        assert_eq!(version(Language::Node, (20, 0)), Some(((20, 19), true)));
        assert_eq!(version(Language::Node, (24, 0)), Some(((20, 19), false)));
        assert_eq!(with(&[]).find(Language::Node, (20, 0)), None);
    }

    #[test]
    fn a_script_is_not_an_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("python3.11"), "#!/bin/sh\n").unwrap();
        assert_eq!(in_directory(directory.path()), []);
    }
}
