//! Module scope: variables get their memory, functions their names.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::LoadError;
use crate::gpu::{DevicePtr, Symbol};
use crate::memory::{Kind, Memory};
use crate::ptx::ast::{Function, Init, Module, Space, Variable};

/// What names mean at module scope.
pub struct Symbols<'m> {
    pub functions: HashMap<&'m str, &'m Function>,
    shared: HashMap<&'m str, &'m Variable>,
    pub variables: HashMap<String, Symbol>,
    pub files: Arc<Vec<(u32, String)>>,
    pub text: Arc<Vec<String>>,
}

impl<'m> Symbols<'m> {
    /// Gives every variable of the module memory, initialised.
    ///
    /// # Errors
    /// [`LoadError::Memory`]; [`LoadError::Invalid`] for an initialiser that names nothing. Memory
    /// given until then is freed again.
    pub fn new(memory: &Memory, module: &'m Module, text: &str) -> Result<Self, LoadError> {
        let mut functions: HashMap<&str, &Function> = HashMap::new();
        for function in &module.functions {
            // A definition wins over a declaration.
            let known = functions.entry(&function.name).or_insert(function);
            if known.body.is_none() {
                *known = function;
            }
        }
        for (new, old) in &module.aliases {
            if let Some(&function) = functions.get(old.as_str()) {
                functions.insert(new, function);
            }
        }
        let shared = module.variables.iter().filter(|v| v.space == Space::Shared);
        let mut symbols = Self {
            functions,
            shared: shared.map(|variable| (variable.name.as_str(), variable)).collect(),
            variables: HashMap::new(),
            files: Arc::new(module.files.clone()),
            text: Arc::new(text.lines().map(str::to_owned).collect()),
        };
        if let Err(error) = symbols.allocate(memory, module) {
            symbols.free(memory);
            return Err(error);
        }
        Ok(symbols)
    }

    /// Frees the variables again.
    pub fn free(&self, memory: &Memory) {
        for symbol in self.variables.values() {
            // Allocated by `new` and by nobody freed since.
            let _ = memory.free(symbol.address.0);
        }
    }

    pub fn shared(&self, name: &str) -> Option<&'m Variable> {
        self.shared.get(name).copied()
    }

    pub fn address(&self, name: &str) -> Option<u64> {
        self.variables.get(name).map(|symbol| symbol.address.0)
    }

    fn allocate(&mut self, memory: &Memory, module: &Module) -> Result<(), LoadError> {
        let lasting =
            |v: &&Variable| matches!(v.space, Space::Global | Space::Const) && !v.is_extern;
        for variable in module.variables.iter().filter(lasting) {
            let bytes = variable.bytes().max(1) as usize;
            let kind = match variable.space {
                Space::Const => Kind::Constant(variable.name.clone()),
                _ => Kind::Global(variable.name.clone()),
            };
            let what = |error| LoadError::Memory { what: format!("{}: {error}", variable.name) };
            let made = memory.allocate(bytes, kind).map_err(what)?;
            let symbol = Symbol { address: DevicePtr(made.base), bytes };
            if self.variables.insert(variable.name.clone(), symbol).is_some() {
                let what = format!("two variables are called {}", variable.name);
                return Err(LoadError::invalid(variable.line, what));
            }
        }
        for variable in module.variables.iter().filter(lasting) {
            self.initialise(memory, variable)?;
        }
        Ok(())
    }

    /// Module variables without an initialiser are zero, as in C.
    fn initialise(&self, memory: &Memory, variable: &Variable) -> Result<(), LoadError> {
        let Some(symbol) = self.variables.get(&variable.name) else { return Ok(()) };
        let size = variable.ty.bytes();
        let mut bytes = vec![0u8; symbol.bytes];
        for (at, value) in variable.init.iter().enumerate() {
            let bits = match value {
                Init::Bits(bits) => *bits,
                Init::Address { symbol, offset, .. } => {
                    self.initial(symbol, *offset, variable.line)?
                }
                Init::AddressByte { symbol, offset, byte, .. } => {
                    self.initial(symbol, *offset, variable.line)? >> (8 * (byte & 7)) & 0xFF
                }
            };
            let Some(room) = bytes.get_mut(at * size..(at + 1) * size) else {
                let what = format!("{} has more initial values than elements", variable.name);
                return Err(LoadError::invalid(variable.line, what));
            };
            // Only a 128-bit element is longer than its initial value can be written.
            for (to, from) in room.iter_mut().zip(bits.to_le_bytes()) {
                *to = from;
            }
        }
        let what = |error| LoadError::Memory { what: format!("{}: {error}", variable.name) };
        let (made, offset) = memory.range(symbol.address.0, bytes.len()).map_err(what)?;
        made.write(offset, &bytes);
        Ok(())
    }

    fn initial(&self, name: &str, offset: i64, line: u32) -> Result<u64, LoadError> {
        let unknown = || {
            LoadError::invalid(line, format!("an initialiser names {name}, which has no address"))
        };
        Ok(self.address(name).ok_or_else(unknown)?.wrapping_add_signed(offset))
    }
}
