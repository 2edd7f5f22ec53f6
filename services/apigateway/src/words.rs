//! Broken constraints as this service words them: members of the body are named after the operation, an element of a
//! list is shown with its list, and some enumerations are listed in an order of their own.

use wire::{Location, OperationModel, Violation, Violations};

/// The orders in which AWS lists the values of enumerations.
const ORDERS: [&str; 4] = [
    "[PRIVATE, EDGE, REGIONAL]",
    "[AUTHORIZER, HEADER]",
    "[HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]",
    "[RESPONSE_BODY, RESPONSE, METHOD, MODEL, AUTHORIZER, RESPONSE_HEADER, RESOURCE, PATH_PARAMETER, REQUEST_BODY, \
     QUERY_PARAMETER, API, REQUEST_HEADER]",
];

pub fn of(model: &OperationModel, violations: &Violations) -> Violations {
    let (first, rest) = model.name.split_at(1);
    let owner = format!("{}{rest}Input.", first.to_ascii_lowercase());
    let members = model.shapes.as_ref().map_or(&[][..], |shapes| shapes.input.members());
    let in_body = |path: &str| {
        let name = path.split('.').next().unwrap_or_default();
        members.iter().any(|member| member.name == name && member.location == Location::Body)
    };
    violations
        .iter()
        .map(|violation| {
            let mut said = listed(violation.clone());
            if let Some((before, values)) = said.constraint.split_once("enum value set: ") {
                said.constraint = format!("{before}enum value set: {}", ordered(values));
            }
            if in_body(&said.path) {
                said.path.insert_str(0, &owner);
            }
            said
        })
        .collect()
}

/// `types.1.member` is no place of its own: what is wrong is the list.
fn listed(violation: Violation) -> Violation {
    let Some(inner) = violation.path.strip_suffix(".member") else { return violation };
    let Some((list, at)) = inner.rsplit_once('.') else { return violation };
    if at.parse::<usize>().is_err() {
        return violation;
    }
    let value = violation.value.trim_matches('\'');
    Violation {
        value: format!("'[{value}]'"),
        path: list.to_owned(),
        constraint: format!("Member must satisfy constraint: [{}]", violation.constraint),
    }
}

/// The same values in AWS's order, where that is known.
fn ordered(values: &str) -> String {
    let (own, rest) = values.split_once(']').unwrap_or((values, ""));
    let sorted = |text: &str| {
        let mut names: Vec<String> = text.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect();
        names.sort();
        names
    };
    let known = ORDERS.into_iter().find(|known| sorted(known) == sorted(own));
    known.map_or_else(|| values.to_owned(), |known| format!("{known}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_those_of_aws() {
        assert_eq!(ordered("[HEADER, AUTHORIZER]"), "[AUTHORIZER, HEADER]");
        assert_eq!(ordered("[REGIONAL, EDGE, PRIVATE]]"), "[PRIVATE, EDGE, REGIONAL]]");
        assert_eq!(ordered("[a, b]"), "[a, b]");
    }

    #[test]
    fn elements_are_shown_with_their_list() {
        let element = Violation {
            value: "'NOPE'".to_owned(),
            path: "endpointConfiguration.types.1.member".to_owned(),
            constraint: "Member must satisfy enum value set: [REGIONAL, EDGE, PRIVATE]".to_owned(),
        };
        let shown = listed(element);
        assert_eq!((shown.value.as_str(), shown.path.as_str()), ("'[NOPE]'", "endpointConfiguration.types"));
        let inner = Violation { path: "patchOperations.1.member.op".to_owned(), ..shown };
        assert_eq!(listed(inner.clone()), inner);
    }
}
