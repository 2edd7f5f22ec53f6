//! A cloud in memory for the tests of operations, where everything is allowed.
