//! Velocity templates: parsed, and rendered within their limits.

#![no_main]

use expressions::mapping::{Input, render};
use expressions::vtl::Template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(template) = Template::parse(text) {
        let input = Input { body: r#"{"a":[1,{"b":"c"}]}"#.to_owned(), ..Input::default() };
        let _ = render(&template, &input);
    }
});
