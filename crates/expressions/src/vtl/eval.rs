//! Renders templates: variables, control flow, macros and the limits on them.

use super::{
    Error, Template,
    ast::{Block, Call, Expr, Macro, Macros, Node, Operator, Reference, Segment},
    methods, operators, parser,
    value::{Heap, Value},
};
use std::{collections::HashMap, sync::Arc};

/// What a template may spend.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of output.
    pub output: usize,
    /// Iterations of one `#foreach`; API Gateway allows 1,000.
    pub iterations: usize,
    /// Units of work and of memory: nodes rendered, elements copied, bytes of text made.
    pub work: u64,
    /// How deep blocks, macros and expressions may nest while rendering.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 10 << 20, iterations: 1000, work: 64 << 20, depth: 120 }
    }
}

/// What an unresolved reference without `!` renders as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// As it was written: Velocity's own way.
    Literal,
    /// As nothing: API Gateway's way.
    Empty,
}

enum Flow {
    Continue,
    Break,
    Stop,
}

/// A macro's parameter: what it was called with, and how that was written.
struct Local {
    value: Value,
    literal: String,
}

/// Variables and everything they refer to. They outlive a rendering: the host reads what the template left behind.
pub struct Engine {
    pub heap: Heap,
    globals: HashMap<String, Value>,
    frames: Vec<HashMap<String, Local>>,
    macros: Vec<Arc<Macros>>,
    limits: Limits,
    unresolved: Unresolved,
    depth: usize,
}

impl Engine {
    pub fn new(unresolved: Unresolved, limits: Limits) -> Self {
        Self {
            heap: Heap::new(limits.work),
            globals: HashMap::new(),
            frames: Vec::new(),
            macros: Vec::new(),
            limits,
            unresolved,
            depth: 0,
        }
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.globals.insert(name.to_owned(), value);
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.globals.get(name)
    }

    pub fn render(&mut self, template: &Template) -> Result<String, Error> {
        self.macros.push(template.macros.clone());
        let mut out = String::new();
        let result = self.block(&template.body, &mut out);
        self.macros.clear();
        self.frames.clear();
        self.depth = 0;
        result.map(|_| out)
    }

    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= self.limits.depth {
            return Err(Error::Limit("nesting depth"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn push(&mut self, out: &mut String, text: &str) -> Result<(), Error> {
        self.heap.charge(text.len())?;
        if out.len() + text.len() > self.limits.output {
            return Err(Error::Limit("output size"));
        }
        out.push_str(text);
        Ok(())
    }

    fn block(&mut self, block: &Block, out: &mut String) -> Result<Flow, Error> {
        self.deeper(|engine| {
            for node in block.iter() {
                engine.heap.charge(1)?;
                match engine.node(node, out)? {
                    Flow::Continue => {}
                    other => return Ok(other),
                }
            }
            Ok(Flow::Continue)
        })
    }

    fn node(&mut self, node: &Node, out: &mut String) -> Result<Flow, Error> {
        match node {
            Node::Text(text) => self.push(out, text)?,
            Node::Reference { backslashes, reference } => return self.reference(*backslashes, reference, out),
            Node::Set { target, value } => {
                let value = self.evaluate(value)?;
                // Velocity leaves a variable as it was when the right side is null.
                if !value.is_null() {
                    self.assign(target, value)?;
                }
            }
            Node::If { branches, otherwise } => {
                for (condition, block) in branches {
                    if self.condition(condition)? {
                        return self.block(block, out);
                    }
                }
                if let Some(block) = otherwise {
                    return self.block(block, out);
                }
            }
            Node::Foreach { variable, source, body } => return self.foreach(variable, source, body, out),
            Node::Define { name, body } => self.store(name, Value::Block(body.clone())),
            Node::Evaluate(source) => {
                let source = self.evaluate(source)?;
                if source.is_null() {
                    return Ok(Flow::Continue);
                }
                let source = self.heap.display(&source)?;
                self.heap.charge(source.len())?;
                let (body, macros) = parser::parse(&source, 0)?;
                self.macros.push(macros.into());
                let flow = self.block(&body, out)?;
                self.macros.pop();
                return Ok(match flow {
                    Flow::Stop => Flow::Stop,
                    _ => Flow::Continue,
                });
            }
            Node::Call(call) => return self.call(call, out),
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }

    /// Writes a reference's value. Of the backslashes before it, each pair stands for one and an odd one quotes the
    /// reference, but only when it resolves.
    fn reference(&mut self, backslashes: usize, reference: &Reference, out: &mut String) -> Result<Flow, Error> {
        let value = self.resolve(reference)?;
        if value.is_null() {
            self.push(out, &"\\".repeat(backslashes))?;
            if backslashes % 2 == 1 || (!reference.quiet && self.unresolved == Unresolved::Literal) {
                let literal = match self.frames.last().and_then(|frame| frame.get(&reference.name)) {
                    Some(local) if reference.segments.is_empty() => local.literal.clone(),
                    _ => reference.literal.clone(),
                };
                self.push(out, &literal)?;
            }
            return Ok(Flow::Continue);
        }
        self.push(out, &"\\".repeat(backslashes / 2))?;
        if backslashes % 2 == 1 {
            self.push(out, &reference.literal)?;
            return Ok(Flow::Continue);
        }
        if let Value::Block(block) = &value {
            return Ok(match self.block(block, out)? {
                Flow::Stop => Flow::Stop,
                _ => Flow::Continue,
            });
        }
        if let Value::Text(text) = &value {
            self.push(out, text)?;
        } else {
            let text = self.heap.display(&value)?;
            self.push(out, &text)?;
        }
        Ok(Flow::Continue)
    }

    fn foreach(&mut self, variable: &str, source: &Expr, body: &Block, out: &mut String) -> Result<Flow, Error> {
        let source = self.evaluate(source)?;
        let items: Vec<Value> = match &source {
            Value::List(list) => self.heap.items(*list).to_vec(),
            Value::Map(map) => self.heap.entries(*map).iter().map(|(_, value)| value.clone()).collect(),
            _ => return Ok(Flow::Continue),
        };
        self.heap.charge(items.len())?;
        if items.len() > self.limits.iterations {
            return Err(Error::Limit("#foreach iterations"));
        }
        let names = [variable, "foreach", "velocityCount"];
        let saved = names.map(|name| self.globals.get(name).cloned());
        let state = self.heap.map([])?;
        let mut flow = Flow::Continue;
        let count = items.len();
        for (index, item) in items.into_iter().enumerate() {
            if let Value::Map(map) = state {
                let entries = self.heap.entries_mut(map);
                entries.insert("index".into(), Value::Int(index as i64));
                entries.insert("count".into(), Value::Int(index as i64 + 1));
                entries.insert("hasNext".into(), Value::Bool(index + 1 < count));
                entries.insert("first".into(), Value::Bool(index == 0));
                entries.insert("last".into(), Value::Bool(index + 1 == count));
                entries.insert("parent".into(), saved[1].clone().unwrap_or(Value::Null));
            }
            self.globals.insert("foreach".to_owned(), state.clone());
            self.globals.insert("velocityCount".to_owned(), Value::Int(index as i64 + 1));
            self.globals.insert(variable.to_owned(), item);
            match self.block(body, out)? {
                Flow::Continue => {}
                Flow::Break => break,
                Flow::Stop => {
                    flow = Flow::Stop;
                    break;
                }
            }
        }
        for (name, value) in names.into_iter().zip(saved) {
            match value {
                Some(value) => self.globals.insert(name.to_owned(), value),
                None => self.globals.remove(name),
            };
        }
        Ok(flow)
    }

    fn find_macro(&self, name: &str) -> Option<Arc<Macro>> {
        self.macros.iter().find_map(|macros| macros.get(name)).cloned()
    }

    fn call(&mut self, call: &Call, out: &mut String) -> Result<Flow, Error> {
        let Some(definition) = self.find_macro(&call.name) else {
            self.push(out, &call.literal)?;
            return Ok(Flow::Continue);
        };
        let mut frame = HashMap::new();
        for (at, parameter) in definition.parameters.iter().enumerate() {
            let local = match call.arguments.get(at) {
                Some((argument, literal)) => Local { value: self.evaluate(argument)?, literal: literal.clone() },
                None => Local { value: Value::Null, literal: format!("${parameter}") },
            };
            frame.insert(parameter.clone(), local);
        }
        if let Some(body) = &call.body {
            let value = Value::Block(body.clone());
            frame.insert("bodyContent".to_owned(), Local { value, literal: String::new() });
        }
        self.frames.push(frame);
        let flow = self.block(&definition.body, out)?;
        self.frames.pop();
        Ok(match flow {
            Flow::Stop => Flow::Stop,
            _ => Flow::Continue,
        })
    }

    fn lookup(&self, name: &str) -> Value {
        match self.frames.last().and_then(|frame| frame.get(name)) {
            Some(local) => local.value.clone(),
            None => self.globals.get(name).cloned().unwrap_or(Value::Null),
        }
    }

    /// Sets a variable: a macro's parameter stays within the macro, everything else is global.
    fn store(&mut self, name: &str, value: Value) {
        match self.frames.last_mut().and_then(|frame| frame.get_mut(name)) {
            Some(local) => local.value = value,
            None => {
                self.globals.insert(name.to_owned(), value);
            }
        }
    }

    fn assign(&mut self, target: &Reference, value: Value) -> Result<(), Error> {
        let Some((last, path)) = target.segments.split_last() else {
            self.store(&target.name, value);
            return Ok(());
        };
        let mut holder = self.lookup(&target.name);
        for segment in path {
            holder = self.step(&holder, segment)?;
        }
        let key = match last {
            Segment::Property(name) => Value::text(name.as_str()),
            Segment::Index(index) => self.evaluate(index)?,
            Segment::Method(..) => return Ok(()),
        };
        let method = if matches!(holder, Value::Map(_)) { "put" } else { "set" };
        methods::call(&mut self.heap, &holder, method, &[key, value]).map(drop)
    }

    fn resolve(&mut self, reference: &Reference) -> Result<Value, Error> {
        let mut value = self.lookup(&reference.name);
        for segment in &reference.segments {
            if value.is_null() {
                break;
            }
            value = self.step(&value, segment)?;
        }
        Ok(value)
    }

    fn step(&mut self, value: &Value, segment: &Segment) -> Result<Value, Error> {
        self.heap.charge(1)?;
        match segment {
            Segment::Property(name) => methods::property(&mut self.heap, value, name),
            Segment::Index(index) => {
                let index = self.evaluate(index)?;
                let index = match (value, index) {
                    (Value::List(list), Value::Int(at)) if at < 0 => {
                        Value::Int(at.saturating_add(self.heap.items(*list).len() as i64))
                    }
                    (_, index) => index,
                };
                methods::call(&mut self.heap, value, "get", &[index])
            }
            Segment::Method(name, arguments) => {
                let arguments = self.evaluate_all(arguments)?;
                methods::call(&mut self.heap, value, name, &arguments)
            }
        }
    }

    fn evaluate_all(&mut self, expressions: &[Expr]) -> Result<Vec<Value>, Error> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }

    /// Whether a condition holds. A literal other than `true` never does in Velocity 1.7, whatever its value.
    fn condition(&mut self, expression: &Expr) -> Result<bool, Error> {
        let value = self.evaluate(expression)?;
        let literal = matches!(
            expression,
            Expr::Int(_) | Expr::Double(_) | Expr::Text(_) | Expr::Interpolated(_) | Expr::List(_) | Expr::Map(_)
        );
        Ok(!literal && value.truthy())
    }

    fn evaluate(&mut self, expression: &Expr) -> Result<Value, Error> {
        self.deeper(|engine| engine.expression(expression))
    }

    fn expression(&mut self, expression: &Expr) -> Result<Value, Error> {
        self.heap.charge(1)?;
        Ok(match expression {
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Int(value) => Value::Int(*value),
            Expr::Double(value) => Value::Double(*value),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Interpolated(block) => {
                let mut text = String::new();
                self.block(block, &mut text)?;
                Value::text(text)
            }
            Expr::Reference(reference) => self.resolve(reference)?,
            Expr::List(items) => {
                let items = self.evaluate_all(items)?;
                self.heap.list(items)?
            }
            Expr::Map(entries) => {
                let mut pairs = Vec::new();
                for (key, value) in entries {
                    let key = self.evaluate(key)?;
                    let key = self.heap.display(&key)?;
                    pairs.push((Arc::from(key), self.evaluate(value)?));
                }
                self.heap.map(pairs)?
            }
            Expr::Range(first, last) => {
                let (first, last) = (self.evaluate(first)?, self.evaluate(last)?);
                let (Value::Int(first), Value::Int(last)) = (first, last) else { return Ok(Value::Null) };
                let length = usize::try_from(first.abs_diff(last)).unwrap_or(usize::MAX).saturating_add(1);
                self.heap.charge(length)?;
                let items: Vec<_> = if first <= last {
                    (first..=last).map(Value::Int).collect()
                } else {
                    (last..=first).rev().map(Value::Int).collect()
                };
                self.heap.list(items)?
            }
            Expr::Not(inner) => Value::Bool(!self.condition(inner)?),
            Expr::Binary(Operator::And, left, right) => Value::Bool(self.condition(left)? && self.condition(right)?),
            Expr::Binary(Operator::Or, left, right) => Value::Bool(self.condition(left)? || self.condition(right)?),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                operators::apply(&mut self.heap, *operator, &left, &right)?
            }
        })
    }
}
