import Tensors

/// A dense layer's two weights.
struct Dense: Sendable {
    let weight: ParameterReference, bias: ParameterReference

    /// Weights start normal with sd gain/√in, biases at zero.
    /// - Parameter exact: products in single precision always, for layers that are sensitive or cost nothing.
    init(
        _ layout: inout ParameterLayout, _ name: String, _ input: Int, _ output: Int, gain: Double = 1, bias start: Initialisation = .zero,
        exact: Bool = false
    ) {
        weight = layout.add(name + ".weight", input, output, gain == 0 ? .zero : .normal(gain / Double(input).squareRoot()))
        bias = layout.add(name + ".bias", 1, output, start)
        layout.addLayer(LayerReference(weight: weight, bias: bias, exact: exact))
    }

    func forward<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>, silu: Bool = false) -> Variable<S> {
        if let packed = w.packed { return tape.dense(x, packed[weight], silu: silu) }
        let y = tape.linear(x, w[weight], w[bias])
        return silu ? tape.silu(y) : y
    }
}

/// A layer norm's learned scale (stored as its difference from 1) and shift.
struct Norm: Sendable {
    let scale: ParameterReference, shift: ParameterReference

    init(_ layout: inout ParameterLayout, _ name: String, _ width: Int) {
        scale = layout.add(name + ".scale", 1, width, .zero)
        shift = layout.add(name + ".shift", 1, width, .zero)
    }

    func forward<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>) -> Variable<S> {
        tape.norm(x, scale: w[scale].slice(0, x.columns), shift: w[shift].slice(0, x.columns))
    }
}

/// Two dense layers with a SiLU between them.
struct Perceptron: Sendable {
    let first: Dense, second: Dense

    init(
        _ layout: inout ParameterLayout, _ name: String, _ input: Int, _ hidden: Int, _ output: Int, gain: Double = 1, exactFirst: Bool = false,
        exactSecond: Bool = false
    ) {
        first = Dense(&layout, name + ".first", input, hidden, exact: exactFirst)
        second = Dense(&layout, name + ".second", hidden, output, gain: gain, exact: exactSecond)
    }

    func forward<S>(_ tape: Tape<S>, _ w: Weights<S>, _ x: Variable<S>) -> Variable<S> {
        second.forward(tape, w, first.forward(tape, w, x, silu: true))
    }
}
