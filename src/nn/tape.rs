//! Reverse mode over recorded matrix operations.
//!
//! Every operation computes its value when it is recorded; one sweep over the record, last to first, then gives the exact
//! derivative of a loss with respect to everything that went in (Griewank, Walther, *Evaluating Derivatives*, SIAM 2008). Among the
//! operations are those of a network's own derivatives, so that a loss may hold ∇_x s, ∂_t s, ∇·v and Δλ:
//!
//! * [`Tape::input_gradient`] writes the reverse sweep of a scalar network as operations of its own, which the tape then
//!   sweeps in turn: value and gradient for the price of two evaluations, in any dimension.
//! * [`Tape::apply_jet`] carries tangents and the Laplacian forward: see [`Directions`].
//!
//! The same operations recorded again, after [`Tape::reset`], use the same buffers: a steady-state loop does not allocate.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::exec::simd::vectorised;
use crate::nn::backprop::sum_rows;
use crate::nn::jet::{self, Channels};
use crate::nn::mlp::{add_to_rows, multiply, multiply_each};
use crate::nn::{Directions, Layer, Mlp};

/// A recorded matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Var(usize);

/// A network applied to a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Applied {
    network: usize,
    /// The first hidden layer; the others follow it.
    first: usize,
    rows: usize,
    channels: Channels,
    /// The network's output; for a jet, all channels of it.
    pub output: Var,
}

/// A record of matrix operations, and the exact derivative of a loss with respect to all that went into them by one reverse sweep.
///
/// The same operations recorded again, after [`reset`](Self::reset), use the same buffers: a steady-state loop does not allocate.
///
/// ```
/// use chreode::nn::{Activation, Architecture, Mlp, Tape};
/// let architecture = Architecture { inputs: 3, hidden: vec![8], outputs: 1, activation: Activation::Tanh };
/// let networks = [Mlp::new(architecture.clone(), 11, 0)?];
/// let mut gradients = [vec![0.0; architecture.parameter_count()]];
/// let mut tape = Tape::default();
/// // Σ over two points of ‖∂f/∂(t, x)‖², and its derivative with respect to the parameters and the points.
/// let points = tape.leaf(2, &[0.1, 0.2, -0.3, 0.4]);
/// let input = tape.input(0.5, points);
/// let applied = tape.apply(&networks, 0, input, 2);
/// let gradient = tape.input_gradient(&networks, &applied);
/// let squares = tape.dot(gradient, gradient);
/// tape.seed(squares, |adjoint| adjoint.fill(1.0));
/// tape.backward(&networks, &mut gradients);
/// assert!(tape.adjoint(points).is_some_and(|a| a.iter().any(|&a| a != 0.0)));
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    recorded: usize,
    scratch: Vec<f32>,
}

/// An operation, its value and the adjoint, which is the loss's derivative with respect to the value.
#[derive(Debug)]
struct Node {
    operation: Operation,
    rows: usize,
    columns: usize,
    value: Vec<f32>,
    adjoint: Vec<f32>,
    /// Whether `adjoint` holds anything.
    reached: bool,
    /// What the operation keeps for its reverse.
    saved: Vec<f32>,
    /// Of a layer whose slopes were used by a [`Operation::Back`]: the adjoint of its z that came from there.
    z_adjoint: Vec<f32>,
    z_reached: bool,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Leaf,
    /// Rows (t, x) and, for a jet, (0, direction) and 0 below them.
    Input {
        points: Var,
    },
    /// f(X W + b); saved: derivatives of f, then the other channels before f.
    Layer {
        input: Var,
        network: usize,
        layer: Layer,
        channels: Channels,
        order: usize,
    },
    /// X W, and + b in the first channel.
    Affine {
        input: Var,
        network: usize,
        layer: Layer,
        channels: Channels,
    },
    /// In every row the weights of a layer with one output.
    Weights {
        network: usize,
        layer: Layer,
    },
    /// (f′(z) ∘ A) Wᵀ for the z of a recorded layer; saved: f′(z) ∘ A.
    Back {
        through: Var,
        adjoint: Var,
    },
    /// αA + βB
    Sum {
        a: (Var, f32),
        b: (Var, f32),
    },
    /// A ∘ B, or every column of A times the column B.
    Product {
        a: Var,
        b: Var,
    },
    /// The inner products of rows.
    Dot {
        a: Var,
        b: Var,
    },
    /// A function of every entry; saved: its derivatives.
    Map {
        a: Var,
    },
    /// A function of the rows of two matrices; saved: its derivatives by them.
    Function {
        a: Var,
        b: Var,
    },
    /// Consecutive columns.
    Columns {
        a: Var,
        first: usize,
    },
    /// Consecutive rows.
    Rows {
        a: Var,
        first: usize,
    },
    /// Σ_k ξ_k · (tangent k), by rows; saved: ξ.
    Trace {
        jet: Var,
    },
}

impl Tape {
    /// Forgets the record but keeps its buffers.
    pub fn reset(&mut self) {
        self.recorded = 0;
    }

    /// Records a matrix that does not depend on others: row-major, with `rows` rows.
    pub fn leaf(&mut self, rows: usize, values: &[f32]) -> Var {
        let node = self.node(Operation::Leaf, rows, values.len() / rows);
        node.value.copy_from_slice(values);
        self.push()
    }

    /// The network input for the rows x of `points`: rows (`time`, x).
    pub fn input(&mut self, time: f32, points: Var) -> Var {
        self.jet_input(time, points, Channels::default(), &[])
    }

    fn jet_input(&mut self, time: f32, points: Var, channels: Channels, directions: &[f32]) -> Var {
        let (rows, dims) = self.shape(points);
        let mut node = self.take(Operation::Input { points }, rows * channels.count(), dims + 1);
        let sources = self.value(points).chunks_exact(dims).map(|x| (time, x));
        let tangents = directions.chunks_exact(dims).map(|x| (0.0, x));
        let mut written = 0;
        for (row, (time, x)) in node.value.chunks_exact_mut(dims + 1).zip(sources.chain(tangents)) {
            row[0] = time;
            row[1..].copy_from_slice(x);
            written += dims + 1;
        }
        node.value[written..].fill(0.0);
        self.put(node)
    }

    /// Applies network number `network` to the rows of `input`. `order` is 1, or 2 if
    /// [`input_gradient`](Self::input_gradient) follows.
    pub fn apply(&mut self, networks: &[Mlp], network: usize, input: Var, order: usize) -> Applied {
        self.apply_channels(networks, network, input, Channels::default(), order)
    }

    /// Applies network number `network` to the rows (`time`, x) for the x of `points` and differentiates it along
    /// `directions`: the output has one channel of rows for the value and one for each derivative.
    pub fn apply_jet(
        &mut self,
        networks: &[Mlp],
        network: usize,
        (time, points): (f32, Var),
        directions: &Directions,
    ) -> Applied {
        let channels = directions.channels();
        let input = self.jet_input(time, points, channels, directions.vectors());
        self.apply_channels(networks, network, input, channels, channels.order().max(2))
    }

    fn apply_channels(
        &mut self,
        networks: &[Mlp],
        network: usize,
        mut input: Var,
        channels: Channels,
        order: usize,
    ) -> Applied {
        let mlp = &networks[network];
        let hidden = mlp.architecture().hidden.len();
        let first = self.recorded;
        for (number, layer) in mlp.architecture().layers().enumerate() {
            input = if number < hidden {
                self.layer(mlp, network, input, layer, channels, order)
            } else {
                self.affine(mlp, network, input, layer, channels)
            };
        }
        let rows = self.shape(input).0 / channels.count();
        Applied { network, first, rows, channels, output: input }
    }

    fn layer(
        &mut self,
        mlp: &Mlp,
        network: usize,
        input: Var,
        layer: Layer,
        channels: Channels,
        order: usize,
    ) -> Var {
        let rows = self.shape(input).0;
        let n = rows / channels.count() * layer.outputs;
        let operation = Operation::Layer { input, network, layer, channels, order };
        let mut node = self.take(operation, rows, layer.outputs);
        node.saved.resize(order * n + (channels.count() - 1) * n, 0.0);
        let (weights, bias) = mlp.layer_parameters(&layer);
        multiply(rows, self.value(input), weights, &mut node.value);
        let (value, jet) = node.value.split_at_mut(n);
        let (derivatives, pre) = node.saved.split_at_mut(order * n);
        mlp.architecture().activation.apply_with_derivatives(bias, value, derivatives);
        if channels.count() > 1 {
            pre.copy_from_slice(jet);
            jet::forward(channels, derivatives, pre, jet);
        }
        self.put(node)
    }

    fn affine(&mut self, mlp: &Mlp, network: usize, input: Var, layer: Layer, channels: Channels) -> Var {
        let rows = self.shape(input).0;
        let mut node = self.take(Operation::Affine { input, network, layer, channels }, rows, layer.outputs);
        let (weights, bias) = mlp.layer_parameters(&layer);
        multiply(rows, self.value(input), weights, &mut node.value);
        add_to_rows(bias, &mut node.value[..rows / channels.count() * layer.outputs]);
        self.put(node)
    }

    /// The gradient of a network with one output with respect to its input rows, (∂_t, ∇_x).
    ///
    /// # Panics
    /// If it was applied with order 1, or has several outputs.
    pub fn input_gradient(&mut self, networks: &[Mlp], applied: &Applied) -> Var {
        let mlp = &networks[applied.network];
        let hidden = mlp.architecture().hidden.len();
        assert_eq!(mlp.architecture().outputs, 1, "the gradient is that of a scalar network");
        let layer = mlp.architecture().layers().last().expect("a network has a layer");
        let operation = Operation::Weights { network: applied.network, layer };
        let node = self.node(operation, applied.rows, layer.inputs);
        node.value.chunks_exact_mut(layer.inputs).for_each(|row| {
            row.copy_from_slice(mlp.layer_parameters(&layer).0);
        });
        let mut adjoint = self.push();
        for through in (applied.first..applied.first + hidden).rev() {
            adjoint = self.back(mlp, Var(through), adjoint);
        }
        adjoint
    }

    fn back(&mut self, mlp: &Mlp, through: Var, adjoint: Var) -> Var {
        let Operation::Layer { layer, order, .. } = self.nodes[through.0].operation else {
            unreachable!("a network's layers follow one another")
        };
        assert!(order >= 2, "a network whose gradient is wanted must be applied with order 2");
        let rows = self.shape(adjoint).0;
        let mut node = self.take(Operation::Back { through, adjoint }, rows, layer.inputs);
        node.saved.resize(rows * layer.outputs, 0.0);
        node.saved.copy_from_slice(self.value(adjoint));
        multiply_each(&mut node.saved, &self.nodes[through.0].saved);
        times_transpose(rows, &node.saved, mlp.layer_parameters(&layer).0, Accum::Replace, &mut node.value);
        self.put(node)
    }

    /// The value's channel of a network's output.
    pub fn output_value(&mut self, applied: &Applied) -> Var {
        self.rows(applied.output, 0, applied.rows)
    }

    /// The sum of second derivatives of a scalar network along a jet's directions: exactly or on average its Laplacian.
    ///
    /// # Panics
    /// If the jet was made without it.
    pub fn laplacian(&mut self, applied: &Applied) -> Var {
        assert!(applied.channels.laplacian, "a jet that carries the Laplacian");
        self.rows(applied.output, (1 + applied.channels.tangents) * applied.rows, applied.rows)
    }

    /// The divergence of a network with as many outputs as there are coordinates, along a jet's directions, exactly or on
    /// average: a column.
    pub fn divergence(&mut self, applied: &Applied, directions: &Directions) -> Var {
        let jet = applied.output;
        let columns = self.shape(jet).1;
        let mut node = self.take(Operation::Trace { jet }, applied.rows, 1);
        node.saved.clear();
        node.saved.extend_from_slice(directions.vectors());
        node.value.fill(0.0);
        let tangents = &self.value(jet)[applied.rows * columns..];
        let block = applied.rows * columns;
        for (directions, tangents) in node.saved.chunks_exact(block).zip(tangents.chunks_exact(block)) {
            let rows = directions.chunks_exact(columns).zip(tangents.chunks_exact(columns));
            for (sum, (xi, row)) in node.value.iter_mut().zip(rows) {
                *sum += xi.iter().zip(row).map(|(a, b)| a * b).sum::<f32>();
            }
        }
        self.put(node)
    }

    /// αA + βB.
    pub fn sum(&mut self, a: (Var, f32), b: (Var, f32)) -> Var {
        let (rows, columns) = self.shape(a.0);
        assert_eq!((rows, columns), self.shape(b.0), "matrices of one shape");
        let mut node = self.take(Operation::Sum { a, b }, rows, columns);
        for ((sum, x), y) in node.value.iter_mut().zip(self.value(a.0)).zip(self.value(b.0)) {
            *sum = a.1 * x + b.1 * y;
        }
        self.put(node)
    }

    /// αA.
    pub fn scale(&mut self, a: Var, factor: f32) -> Var {
        self.sum((a, factor), (a, 0.0))
    }

    /// A ∘ B, entry by entry; a column B multiplies every column of A.
    pub fn product(&mut self, a: Var, b: Var) -> Var {
        let (rows, columns) = self.shape(a);
        let width = self.shape(b).1;
        assert!(
            self.shape(b) == (rows, columns) || self.shape(b) == (rows, 1),
            "a matrix of the same shape, or a column"
        );
        let mut node = self.take(Operation::Product { a, b }, rows, columns);
        let (x, y) = (self.value(a).chunks_exact(columns), self.value(b).chunks_exact(width));
        for ((to, x), y) in node.value.chunks_exact_mut(columns).zip(x).zip(y) {
            for (k, (to, x)) in to.iter_mut().zip(x).enumerate() {
                *to = x * y[k % width];
            }
        }
        self.put(node)
    }

    /// The inner products of the rows of A with those of B: a column.
    pub fn dot(&mut self, a: Var, b: Var) -> Var {
        let (rows, columns) = self.shape(a);
        assert_eq!((rows, columns), self.shape(b), "matrices of one shape");
        let mut node = self.take(Operation::Dot { a, b }, rows, 1);
        let pairs = self.value(a).chunks_exact(columns).zip(self.value(b).chunks_exact(columns));
        for (to, (x, y)) in node.value.iter_mut().zip(pairs) {
            *to = x.iter().zip(y).map(|(x, y)| x * y).sum();
        }
        self.put(node)
    }

    /// A function of every entry, given with its derivative: x ↦ (f(x), f′(x)).
    pub fn map(&mut self, a: Var, function: impl Fn(f32) -> (f32, f32)) -> Var {
        let (rows, columns) = self.shape(a);
        let mut node = self.take(Operation::Map { a }, rows, columns);
        node.saved.resize(rows * columns, 0.0);
        for ((value, slope), x) in node.value.iter_mut().zip(&mut node.saved).zip(self.value(a)) {
            (*value, *slope) = function(*x);
        }
        self.put(node)
    }

    /// A function of every row of A and that of B, a column; given two rows it returns f and writes its derivatives by them.
    pub fn function(
        &mut self,
        a: Var,
        b: Var,
        mut function: impl FnMut((&[f32], &[f32]), (&mut [f32], &mut [f32])) -> f32,
    ) -> Var {
        let (rows, columns) = self.shape(a);
        let width = self.shape(b).1;
        assert_eq!(rows, self.shape(b).0, "matrices of as many rows");
        let mut node = self.take(Operation::Function { a, b }, rows, 1);
        node.saved.resize(rows * (columns + width), 0.0);
        let (by_a, by_b) = node.saved.split_at_mut(rows * columns);
        let places = self.value(a).chunks_exact(columns).zip(self.value(b).chunks_exact(width));
        let derivatives = by_a.chunks_exact_mut(columns).zip(by_b.chunks_exact_mut(width));
        for ((value, place), derivatives) in node.value.iter_mut().zip(places).zip(derivatives) {
            *value = function(place, derivatives);
        }
        self.put(node)
    }

    /// `count` columns of A from `first` on.
    pub fn columns(&mut self, a: Var, first: usize, count: usize) -> Var {
        let (rows, columns) = self.shape(a);
        let mut node = self.take(Operation::Columns { a, first }, rows, count);
        for (to, from) in node.value.chunks_exact_mut(count).zip(self.value(a).chunks_exact(columns)) {
            to.copy_from_slice(&from[first..first + count]);
        }
        self.put(node)
    }

    /// `count` rows of A from `first` on.
    pub fn rows(&mut self, a: Var, first: usize, count: usize) -> Var {
        let columns = self.shape(a).1;
        let mut node = self.take(Operation::Rows { a, first }, count, columns);
        node.value.copy_from_slice(&self.value(a)[first * columns..(first + count) * columns]);
        self.put(node)
    }

    /// The value of a recorded matrix, row-major.
    pub fn value(&self, var: Var) -> &[f32] {
        &self.nodes[var.0].value
    }

    /// The loss's derivative with respect to a recorded matrix, after [`backward`](Self::backward); none where the loss
    /// does not depend on it.
    pub fn adjoint(&self, var: Var) -> Option<&[f32]> {
        let node = &self.nodes[var.0];
        node.reached.then_some(&node.adjoint)
    }

    /// Lets `add` add to the adjoint of a recorded matrix: how a loss enters before [`backward`](Self::backward).
    pub fn seed(&mut self, var: Var, add: impl FnOnce(&mut [f32])) {
        add(self.nodes[var.0].reach());
    }

    /// Sweeps the record from last to first and adds the derivative with respect to the parameters of network k to
    /// `gradients[k]`.
    pub fn backward(&mut self, networks: &[Mlp], gradients: &mut [Vec<f32>]) {
        for index in (0..self.recorded).rev() {
            if self.nodes[index].reached || self.nodes[index].z_reached {
                let node = std::mem::take(&mut self.nodes[index]);
                self.nodes[index] = self.reverse(node, networks, gradients);
            }
        }
    }

    /// The reverse of one operation; gives back the node, which was taken out to be read beside its operands.
    fn reverse(&mut self, mut node: Node, networks: &[Mlp], gradients: &mut [Vec<f32>]) -> Node {
        let (columns, adjoint) = (node.columns, &node.adjoint);
        match node.operation {
            Operation::Leaf => {}
            Operation::Input { points } => {
                let to = self.reach(points);
                for (to, from) in to.chunks_exact_mut(columns - 1).zip(adjoint.chunks_exact(columns)) {
                    add(to, &from[1..]);
                }
            }
            Operation::Layer { input, network, layer, channels, order } => {
                let n = node.value.len() / channels.count();
                let mut z = std::mem::take(&mut node.adjoint);
                if node.reached {
                    let (derivatives, pre) = node.saved.split_at(order * n);
                    jet::backward(channels, derivatives, pre, &mut z);
                } else {
                    z.resize(node.value.len(), 0.0);
                    z.fill(0.0);
                }
                if node.z_reached {
                    add(&mut z[..n], &node.z_adjoint);
                }
                self.reverse_linear((input, layer), &networks[network], &z, n, &mut gradients[network]);
                node.adjoint = z;
            }
            Operation::Affine { input, network, layer, channels } => {
                let n = node.value.len() / channels.count();
                self.reverse_linear((input, layer), &networks[network], adjoint, n, &mut gradients[network]);
            }
            Operation::Weights { network, layer } => {
                sum_rows(adjoint, &mut gradients[network][layer.weights()], Accum::Add);
            }
            Operation::Back { through, adjoint: operand } => {
                self.reverse_back(&node, through, operand, networks, gradients);
            }
            Operation::Sum { a, b } => {
                for (operand, factor) in [a, b] {
                    if factor != 0.0 {
                        let to = self.reach(operand);
                        to.iter_mut().zip(adjoint).for_each(|(to, d)| *to += factor * d);
                    }
                }
            }
            Operation::Product { a, b } => self.reverse_product(&node, a, b),
            Operation::Dot { a, b } => {
                for (operand, other) in [(a, b), (b, a)] {
                    let other = self.scratch_of(other);
                    let columns = other.len() / node.rows;
                    let to = self.reach(operand).chunks_exact_mut(columns);
                    for ((to, x), d) in to.zip(other.chunks_exact(columns)).zip(adjoint) {
                        to.iter_mut().zip(x).for_each(|(to, x)| *to += d * x);
                    }
                    self.scratch = other;
                }
            }
            Operation::Map { a } => {
                let to = self.reach(a);
                to.iter_mut().zip(adjoint).zip(&node.saved).for_each(|((to, d), slope)| *to += d * slope);
            }
            Operation::Function { a, b } => {
                let (by_a, by_b) = node.saved.split_at(self.nodes[a.0].value.len());
                for (operand, slopes) in [(a, by_a), (b, by_b)] {
                    let width = self.nodes[operand.0].columns;
                    let rows = self.reach(operand).chunks_exact_mut(width).zip(slopes.chunks_exact(width));
                    for ((to, slopes), d) in rows.zip(adjoint) {
                        to.iter_mut().zip(slopes).for_each(|(to, slope)| *to += d * slope);
                    }
                }
            }
            Operation::Columns { a, first } => {
                let width = self.nodes[a.0].columns;
                let to = self.reach(a);
                for (to, from) in to.chunks_exact_mut(width).zip(adjoint.chunks_exact(columns)) {
                    add(&mut to[first..first + columns], from);
                }
            }
            Operation::Rows { a, first } => {
                add(&mut self.reach(a)[first * columns..][..adjoint.len()], adjoint);
            }
            Operation::Trace { jet } => {
                let (rows, width) = (node.rows, self.nodes[jet.0].columns);
                let to = &mut self.reach(jet)[rows * width..];
                let blocks = to.chunks_exact_mut(rows * width).zip(node.saved.chunks_exact(rows * width));
                for (to, directions) in blocks {
                    let pairs = to.chunks_exact_mut(width).zip(directions.chunks_exact(width));
                    for ((to, xi), d) in pairs.zip(adjoint) {
                        to.iter_mut().zip(xi).for_each(|(to, xi)| *to += d * xi);
                    }
                }
            }
        }
        node
    }

    /// Of Z = X W + b, given the adjoint of Z, of which the first `n` numbers saw the bias.
    fn reverse_linear(
        &mut self,
        (input, layer): (Var, Layer),
        mlp: &Mlp,
        z: &[f32],
        n: usize,
        gradient: &mut [f32],
    ) {
        let rows = z.len() / layer.outputs;
        transpose_times(rows, self.value(input), z, &mut gradient[layer.weights()]);
        sum_rows(&z[..n], &mut gradient[layer.bias()], Accum::Add);
        let accumulate = if self.nodes[input.0].reached { Accum::Add } else { Accum::Replace };
        let to = self.reach_to_replace(input);
        times_transpose(rows, z, mlp.layer_parameters(&layer).0, accumulate, to);
    }

    /// Of V = (f′(z) ∘ A) Wᵀ: the adjoints of A and z, and the gradient of W.
    fn reverse_back(
        &mut self,
        node: &Node,
        through: Var,
        operand: Var,
        networks: &[Mlp],
        gradients: &mut [Vec<f32>],
    ) {
        let Operation::Layer { network, layer, .. } = self.nodes[through.0].operation else {
            unreachable!("recorded through a layer")
        };
        let rows = node.rows;
        let weights = networks[network].layer_parameters(&layer).0;
        transpose_times(rows, &node.adjoint, &node.saved, &mut gradients[network][layer.weights()]);
        let mut product = std::mem::take(&mut self.scratch);
        product.resize(rows * layer.outputs, 0.0);
        multiply(rows, &node.adjoint, weights, &mut product);

        let mut layer_node = std::mem::take(&mut self.nodes[through.0]);
        let n = product.len();
        let (first, second) = (&layer_node.saved[..n], &layer_node.saved[n..2 * n]);
        if !layer_node.z_reached {
            layer_node.z_adjoint.resize(n, 0.0);
            layer_node.z_adjoint.fill(0.0);
            layer_node.z_reached = true;
        }
        let z_adjoint = &mut layer_node.z_adjoint;
        let operand = &mut self.nodes[operand.0];
        operand.reach();
        let (values, adjoints) = (&operand.value, &mut operand.adjoint);
        vectorised(
            #[inline(always)]
            || {
                let slopes = first.iter().zip(second);
                let targets = adjoints.iter_mut().zip(z_adjoint).zip(values);
                for (((a, z), value), ((f1, f2), d)) in targets.zip(slopes.zip(&product)) {
                    *a += f1 * d;
                    *z += f2 * value * d;
                }
            },
        );
        self.nodes[through.0] = layer_node;
        self.scratch = product;
    }

    fn reverse_product(&mut self, node: &Node, a: Var, b: Var) {
        let (columns, width) = (node.columns, self.nodes[b.0].columns);
        let y = self.scratch_of(b);
        let to = self.reach(a).chunks_exact_mut(columns);
        for ((to, y), d) in to.zip(y.chunks_exact(width)).zip(node.adjoint.chunks_exact(columns)) {
            for (k, (to, d)) in to.iter_mut().zip(d).enumerate() {
                *to += d * y[k % width];
            }
        }
        self.scratch = y;
        let x = self.scratch_of(a);
        let to = self.reach(b).chunks_exact_mut(width);
        for ((to, x), d) in to.zip(x.chunks_exact(columns)).zip(node.adjoint.chunks_exact(columns)) {
            for (k, (x, d)) in x.iter().zip(d).enumerate() {
                to[k % width] += d * x;
            }
        }
        self.scratch = x;
    }

    /// The value of `var` copied into the scratch buffer, which the caller puts back.
    fn scratch_of(&mut self, var: Var) -> Vec<f32> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&self.nodes[var.0].value);
        scratch
    }

    fn shape(&self, var: Var) -> (usize, usize) {
        (self.nodes[var.0].rows, self.nodes[var.0].columns)
    }

    /// The adjoint of `var`, to be added to.
    fn reach(&mut self, var: Var) -> &mut [f32] {
        self.nodes[var.0].reach()
    }

    /// The adjoint of `var`, to be overwritten if it held nothing before.
    fn reach_to_replace(&mut self, var: Var) -> &mut [f32] {
        let node = &mut self.nodes[var.0];
        node.reached = true;
        node.adjoint.resize(node.value.len(), 0.0);
        &mut node.adjoint
    }

    /// The next node, prepared for an operation whose value has this shape. [`push`](Self::push) records it.
    fn node(&mut self, operation: Operation, rows: usize, columns: usize) -> &mut Node {
        if self.nodes.len() == self.recorded {
            self.nodes.push(Node::default());
        }
        let node = &mut self.nodes[self.recorded];
        (node.operation, node.rows, node.columns) = (operation, rows, columns);
        (node.reached, node.z_reached) = (false, false);
        node.value.resize(rows * columns, 0.0);
        node
    }

    fn push(&mut self) -> Var {
        self.recorded += 1;
        Var(self.recorded - 1)
    }

    /// [`node`](Self::node), taken out so that other nodes can be read while it is written; [`put`](Self::put) records it.
    fn take(&mut self, operation: Operation, rows: usize, columns: usize) -> Node {
        std::mem::take(self.node(operation, rows, columns))
    }

    fn put(&mut self, node: Node) -> Var {
        self.nodes[self.recorded] = node;
        self.push()
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            operation: Operation::Leaf,
            rows: 0,
            columns: 0,
            value: vec![],
            adjoint: vec![],
            reached: false,
            saved: vec![],
            z_adjoint: vec![],
            z_reached: false,
        }
    }
}

impl Node {
    fn reach(&mut self) -> &mut [f32] {
        self.adjoint.resize(self.value.len(), 0.0);
        if !self.reached {
            self.adjoint.fill(0.0);
            self.reached = true;
        }
        &mut self.adjoint
    }
}

/// values += more.
fn add(values: &mut [f32], more: &[f32]) {
    vectorised(
        #[inline(always)]
        || values.iter_mut().zip(more).for_each(|(value, m)| *value += m),
    );
}

/// product (rows × inputs) = or += left (rows × outputs) · weightsᵀ, the weights being inputs × outputs.
fn times_transpose(rows: usize, left: &[f32], weights: &[f32], accumulate: Accum, product: &mut [f32]) {
    let (outputs, inputs) = (left.len() / rows, product.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(product, rows, inputs),
        accumulate,
        MatRef::from_row_major_slice(left, rows, outputs),
        MatRef::from_row_major_slice(weights, inputs, outputs).transpose(),
        1.0,
        Par::Seq,
    );
}

/// product (inputs × outputs) += leftᵀ · right, both with `rows` rows.
fn transpose_times(rows: usize, left: &[f32], right: &[f32], product: &mut [f32]) {
    let (inputs, outputs) = (left.len() / rows, right.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(product, inputs, outputs),
        Accum::Add,
        MatRef::from_row_major_slice(left, rows, inputs).transpose(),
        MatRef::from_row_major_slice(right, rows, outputs),
        1.0,
        Par::Seq,
    );
}
