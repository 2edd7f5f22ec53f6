//! One file a noun.
