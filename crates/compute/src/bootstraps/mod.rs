//! The programs inside a sandbox that load a handler and speak the Runtime API, and the environment they start in.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
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
    for mount_point in [NODE_SDK, PYTHON_SDK, JAVA] {
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
        Language::Java => JAVA,
    }
}

const NODE_SDK: &str = "node_modules";
const PYTHON_SDK: &str = "python";
const JAVA: &str = "java";

/// The sources of what loads Java handlers: ours, and the interfaces that handlers implement.
const JAVA_SOURCES: [(&str, &str); 9] = [
    ("Bootstrap.java", include_str!("java/Bootstrap.java")),
    ("Json.java", include_str!("java/Json.java")),
    ("Client.java", include_str!("java/Client.java")),
    ("ClientContext.java", include_str!("java/ClientContext.java")),
    ("CognitoIdentity.java", include_str!("java/CognitoIdentity.java")),
    ("Context.java", include_str!("java/Context.java")),
    ("LambdaLogger.java", include_str!("java/LambdaLogger.java")),
    ("RequestHandler.java", include_str!("java/RequestHandler.java")),
    ("RequestStreamHandler.java", include_str!("java/RequestStreamHandler.java")),
];

/// The class whose `main` serves a Java handler.
pub const JAVA_MAIN: &str = "welkin.Bootstrap";

/// Writes the Java sources and returns their paths.
pub fn write_java(directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let write = |(name, text): &(&str, &str)| {
        let path = directory.join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    JAVA_SOURCES.iter().map(write).collect()
}

/// Changes with the Java sources.
pub fn java_fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    JAVA_SOURCES.hash(&mut hasher);
    hasher.finish()
}

/// The bootstrap's file name below the runtime directory; for Java a directory of classes.
pub const fn file(language: Language) -> &'static str {
    match language {
        Language::Node => "node.cjs",
        Language::Python => "python.py",
        Language::Java => JAVA,
    }
}
