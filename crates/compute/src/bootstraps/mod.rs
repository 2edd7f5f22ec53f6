//! The programs inside a sandbox that load a handler and speak the Runtime API, and the environment they start in.

use std::io;
use std::path::{Path, PathBuf};

use crate::interpreters::Language;

/// What is written beside each other, by file name.
const FILES: [(&str, &str); 4] = [
    (file(Language::Node), include_str!("node.cjs")),
    (file(Language::Python), include_str!("python.py")),
    ("logs.cjs", include_str!("logs.cjs")),
    ("stream.cjs", include_str!("stream.cjs")),
];

/// Writes the bootstraps where a sandbox can mount them, and returns the directory.
pub fn install(work: &Path) -> io::Result<PathBuf> {
    let directory = work.join("runtime");
    // Empty directories on which the SDK caches are mounted.
    for mount_point in [NODE_SDK, PYTHON_SDK] {
        std::fs::create_dir_all(directory.join(mount_point))?;
    }
    for (name, text) in FILES {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            std::fs::write(path, text)?;
        }
    }
    Ok(directory)
}

/// Where the SDK of a language appears below the runtime directory.
pub const fn sdk_directory(language: Language) -> &'static str {
    match language {
        Language::Node => NODE_SDK,
        Language::Python => PYTHON_SDK,
    }
}

const NODE_SDK: &str = "node_modules";
const PYTHON_SDK: &str = "python";

/// The bootstrap's file name below the runtime directory.
pub const fn file(language: Language) -> &'static str {
    match language {
        Language::Node => "node.cjs",
        Language::Python => "python.py",
    }
}
