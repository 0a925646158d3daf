import CKernels

/// Number format of the operands of a training run's matrix products; weights, gradients, the sums over many products
/// and all between the products are single precision whichever it is.
public enum TrainingPrecision: String, Sendable, CaseIterable, Codable {
    case single
    /// 8 significant bits, summed in single precision.
    case bfloat16
    /// 11 significant bits after scaling by a power of two for each block; short sums in half precision, of those in
    /// single.
    case half

    private var kind: pk_train_kind {
        self == .half ? PK_TRAIN_HALF : self == .bfloat16 ? PK_TRAIN_BF16 : pk_train_best()
    }

    /// What this processor has.
    public static let available: [TrainingPrecision] = allCases.filter { pk_train_has($0.kind) != 0 }

    /// The fastest on this processor, which is not always the narrowest.
    public static let fastest: TrainingPrecision = [.half, .bfloat16].first { pk_train_pays($0.kind) != 0 } ?? .single

    /// Of a layer: those that are sensitive or cost nothing stay in single precision.
    func kind(exact: Bool) -> pk_train_kind { exact ? pk_train_best() : kind }
}

/// A network's dense layers, laid out anew after every step of descent for the kernels that run them forwards and
/// backwards. Shared by all workers.
public final class TrainingLayers: @unchecked Sendable {
    public struct Layer {
        let kind: pk_train_kind, depth: Int, columns: Int
        let reference: LayerReference
        let forward: UnsafeMutablePointer<Float>, backward: UnsafeMutablePointer<Float>

        /// Whether it keeps a copy of n(x) for its gradient.
        var keeps: Bool { pk_train_kept(kind, 1, depth) > 0 }
    }

    public let precision: TrainingPrecision
    private let storage: UnsafeMutablePointer<Float>
    private let layers: [Layer]
    private let byWeight: [Int: Int]

    public init(_ layout: ParameterLayout, precision: TrainingPrecision) {
        precondition(TrainingPrecision.available.contains(precision))
        self.precision = precision
        func sizes(_ layer: LayerReference) -> (forward: Int, backward: Int) {
            let kind = precision.kind(exact: layer.exact), w = layer.weight
            return (pk_train_size(kind, w.rows, w.columns, 0), pk_train_size(kind, w.rows, w.columns, 1))
        }
        let total = max(16, layout.layers.reduce(0) { $0 + sizes($1).forward + sizes($1).backward })
        storage = UnsafeMutableRawPointer.allocate(byteCount: 4 * total, alignment: 64).bindMemory(
            to: Float.self, capacity: total)
        var words = storage, layers: [Layer] = [], byWeight: [Int: Int] = [:]
        for layer in layout.layers {
            let size = sizes(layer)
            byWeight[layer.weight.offset] = layers.count
            layers.append(
                Layer(
                    kind: precision.kind(exact: layer.exact), depth: layer.weight.rows, columns: layer.weight.columns,
                    reference: layer, forward: words,
                    backward: words + size.forward))
            words += size.forward + size.backward
        }
        self.layers = layers
        self.byWeight = byWeight
    }

    deinit { UnsafeMutableRawPointer(storage).deallocate() }

    public var count: Int { layers.count }

    /// Lays out layer `index` of all weights; different layers may be laid out at the same time.
    public func update(_ index: Int, values: UnsafePointer<Float>) {
        let l = layers[index], w = values + l.reference.weight.offset
        pk_train_pack(l.kind, l.depth, l.columns, 0, w, values + l.reference.bias.offset, l.forward)
        pk_train_pack(l.kind, l.depth, l.columns, 1, w, nil, l.backward)
    }

    /// The layer with this weight.
    public subscript(_ weight: ParameterReference) -> Layer { layers[byWeight[weight.offset]!] }
}
