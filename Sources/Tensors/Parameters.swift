/// Where a named weight lies within the flat vector of all weights.
public struct ParameterReference: Sendable, Hashable {
    public let name: String
    public let offset: Int
    public let rows: Int, columns: Int
    public var count: Int { rows * columns }
}

/// A dense layer's weight and bias. `exact`: its products stay in single precision wherever it runs.
public struct LayerReference: Sendable {
    public let weight: ParameterReference, bias: ParameterReference, exact: Bool

    public init(weight: ParameterReference, bias: ParameterReference, exact: Bool) {
        self.weight = weight
        self.bias = bias
        self.exact = exact
    }
}

/// How a weight starts.
public enum Initialisation: Sendable {
    case zero
    case constant(Double)
    /// Normal with the given standard deviation.
    case normal(Double)
}

/// The list of a network's weights: names, shapes, places and how they start.
public struct ParameterLayout: Sendable {
    public private(set) var references: [ParameterReference] = []
    public private(set) var initialisations: [Initialisation] = []
    public private(set) var count = 0
    /// The dense layers among the weights.
    public private(set) var layers: [LayerReference] = []

    public init() {}

    public mutating func addLayer(_ layer: LayerReference) { layers.append(layer) }

    public mutating func add(_ name: String, _ rows: Int, _ columns: Int, _ start: Initialisation) -> ParameterReference
    {
        precondition(!references.contains { $0.name == name }, "weight \(name) is listed twice")
        let reference = ParameterReference(name: name, offset: count, rows: rows, columns: columns)
        references.append(reference)
        initialisations.append(start)
        count += (reference.count + 15) & ~15  // keep every weight 64-byte aligned
        return reference
    }
}

/// Weights (flat, shared by all workers) with, where training, one worker's gradients; dense layers laid out for the
/// kernels that run them forwards only (`packed`) or both ways (`training`), or not at all, when plain passes run them.
public struct Weights<S: Scalar>: @unchecked Sendable {
    public let values: UnsafeMutablePointer<S>
    public let gradients: UnsafeMutablePointer<S>?
    public let packed: PackedLayers?
    public let training: TrainingLayers?

    public init(
        values: UnsafeMutablePointer<S>, gradients: UnsafeMutablePointer<S>? = nil, packed: PackedLayers? = nil,
        training: TrainingLayers? = nil
    ) {
        self.values = values
        self.gradients = gradients
        self.packed = packed
        self.training = training
    }

    public subscript(_ reference: ParameterReference) -> Variable<S> {
        Variable(
            value: values + reference.offset, gradient: gradients.map { $0 + reference.offset }, rows: reference.rows,
            columns: reference.columns)
    }
}
