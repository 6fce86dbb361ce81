//! The JSON Schema of percache.toml, for editors, made from the tables of [`keys`](super::keys).

use serde_json::Value;

use super::keys::FILE;

/// Generates the schema, in the draft that editors know best (07). It has no references, because this draft ignores
/// whatever stands beside one, even descriptions.
pub fn schema() -> Value {
    let mut schema = FILE.schema();
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "percache.toml".into();
    schema["description"] = "The tasks of a workspace: one file in its root, and one in each member, which may have \
                             only [task.…] tables."
        .into();
    hand_down(&mut schema);
    schema
}

/// Copies the description of an array or table to its contents where they have none of their own: editors with Taplo
/// show the description of an item also for the key of an array that has items.
fn hand_down(schema: &mut Value) {
    let description = schema.get("description").cloned();
    let Value::Object(schema) = schema else { return };
    for (part, inner) in schema {
        let within: Vec<&mut Value> = match (part.as_str(), inner) {
            ("items" | "additionalProperties", inner) => vec![inner],
            ("patternProperties", Value::Object(patterns)) => patterns.values_mut().collect(),
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(hand_down);
                continue;
            }
            _ => continue,
        };
        for inner in within {
            if let (Value::Object(inner), Some(text)) = (&mut *inner, &description) {
                inner.entry("description").or_insert_with(|| text.clone());
            }
            hand_down(inner);
        }
    }
}
