import Tensors

/// A dense layer's two weights.
package struct Dense: Sendable {
    package let weight: ParameterReference, bias: ParameterReference

    /// Weights start normal with sd gain/√in, biases at zero.
    /// - Parameter exact: products in single precision always, for layers that are sensitive or cost nothing.
    package init(
        _ layout: inout ParameterLayout, _ name: String, _ input: Int, _ output: Int, gain: Double = 1,
        bias start: Initialisation = .zero,
        exact: Bool = false
    ) {
        weight = layout.add(
            name + ".weight", input, output, gain == 0 ? .zero : .normal(gain / Double(input).squareRoot()))
        bias = layout.add(name + ".bias", 1, output, start)
        layout.addLayer(LayerReference(weight: weight, bias: bias, exact: exact))
    }

    /// r + (1 + gate) f(n(x) W + b). With laid-out weights one pass over memory, in which the result takes the
    /// residual's place.
    package func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, norm: Normalisation<S>? = nil, silu: Bool = false,
        onto residual: Residual<S>? = nil,
        output: Variable<S>? = nil
    ) -> Variable<S> {
        if let packed = w.packed {
            return tape.dense(x, packed[weight], norm: norm, silu: silu, onto: residual, output: output)
        }
        if let training = w.training {
            return tape.dense(x, training[weight], w, norm: norm, silu: silu, onto: residual)
        }
        let y = tape.linear(norm.map { tape.apply($0, x) } ?? x, w[weight], w[bias])
        let f = silu ? tape.silu(y) : y
        return residual.map { tape.apply($0, f) } ?? f
    }
}

/// A layer norm's learned scale (stored as its difference from 1) and shift.
struct Norm: Sendable {
    let scale: ParameterReference, shift: ParameterReference

    init(_ layout: inout ParameterLayout, _ name: String, _ width: Int) {
        scale = layout.add(name + ".scale", 1, width, .zero)
        shift = layout.add(name + ".shift", 1, width, .zero)
    }

    func of<S>(_ w: Weights<S>) -> Normalisation<S> {
        Normalisation(scale: w[scale].slice(0, scale.columns), shift: w[shift].slice(0, shift.columns))
    }

    func forward<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>) -> Variable<S> { tape.apply(of(w), x) }
}

/// Two dense layers with a SiLU between them.
struct Perceptron: Sendable {
    let first: Dense, second: Dense

    init(
        _ layout: inout ParameterLayout, _ name: String, _ input: Int, _ hidden: Int, _ output: Int, gain: Double = 1,
        exactFirst: Bool = false,
        exactSecond: Bool = false
    ) {
        first = Dense(&layout, name + ".first", input, hidden, exact: exactFirst)
        second = Dense(&layout, name + ".second", hidden, output, gain: gain, exact: exactSecond)
    }

    func forward<S>(
        _ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, norm: Normalisation<S>? = nil,
        onto residual: Residual<S>? = nil,
        output: Variable<S>? = nil
    ) -> Variable<S> {
        if let training = w.training {
            return tape.perceptron(x, training[first.weight], training[second.weight], w, norm: norm, onto: residual)
        }
        return second.forward(
            tape, w, first.forward(tape, w, x, norm: norm, silu: true), onto: residual, output: output)
    }
}

extension Weights {
    /// Runs a part of the network whose result takes the place of its input, with memory that the next part uses again.
    func inPlace<R>(_ tape: Tape<S>, _ body: () -> R) -> R { packed == nil ? body() : tape.scratch(body) }
}
