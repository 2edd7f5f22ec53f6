//! Looking events up.

mod lookup;
