//! A network in double precision, independent of the library's.

use chreode::nn::{Activation, Architecture};

/// One row through the network in f64, written from the definition.
pub fn reference(architecture: &Architecture, parameters: &[f64], row: &[f64]) -> Vec<f64> {
    let activation = |z: f64| match architecture.activation {
        Activation::LeakyRelu => z.max(0.01 * z),
        Activation::Relu => z.max(0.0),
        Activation::Tanh => z.tanh(),
        Activation::Silu => z / (1.0 + (-z).exp()),
        Activation::Softplus => z.exp().ln_1p(),
        Activation::Selu => 1.0507009873554805 * if z > 0.0 { z } else { 1.6732632423543772 * z.exp_m1() },
    };
    let mut values = row.to_vec();
    let mut parameters = parameters.iter();
    for (number, &width) in architecture.hidden.iter().chain([&architecture.outputs]).enumerate() {
        let mut next = vec![0.0; width];
        for value in &values {
            next.iter_mut().for_each(|z| *z += value * parameters.next().unwrap());
        }
        next.iter_mut().for_each(|z| *z += parameters.next().unwrap());
        if number < architecture.hidden.len() {
            next.iter_mut().for_each(|z| *z = activation(*z));
        }
        values = next;
    }
    assert!(parameters.next().is_none());
    values
}
