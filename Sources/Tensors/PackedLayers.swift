import CKernels
import Foundation

/// Number format of a network's matrix products when it runs forwards; sums, and all between the products, are single
/// precision either way.
public enum NetworkPrecision: String, Sendable, CaseIterable {
    case float32
    /// Weights and inputs of most layers rounded to 8 significant bits: twice as fast on AMD's processors that have
    /// AVX512-BF16.
    case bfloat16

    /// What this processor has, slowest first.
    public static let available: [NetworkPrecision] = pk_dense_has_bf16() != 0 ? [.float32, .bfloat16] : [.float32]

    /// The environment variable PRISM_NETWORK_PRECISION if it names one that is available, otherwise the fastest:
    /// AVX512-BF16 takes longer than single precision on Intel's processors.
    public static let fastest = asked ?? (pk_dense_bf16_pays() != 0 ? .bfloat16 : .float32)

    private static let asked: NetworkPrecision? = ProcessInfo.processInfo.environment["PRISM_NETWORK_PRECISION"]
        .flatMap(NetworkPrecision.init(rawValue:)).flatMap { available.contains($0) ? $0 : nil }
}

/// A network's dense layers, laid out once for the kernels that run them forwards. Shared by all workers.
public final class PackedLayers: @unchecked Sendable {
    public struct Layer {
        let kind: pk_dense_kind, depth: Int, columns: Int
        let words: UnsafePointer<Float>
    }

    public let precision: NetworkPrecision
    private let storage: UnsafeMutableRawPointer
    private var layers: [Int: Layer] = [:]

    /// - Parameter values: all weights of the layout, which are copied.
    public init(_ layout: ParameterLayout, values: [Float], precision: NetworkPrecision = .fastest) {
        precondition(NetworkPrecision.available.contains(precision) && values.count == layout.count)
        self.precision = precision
        let single = pk_dense_best(),
            kinds = layout.layers.map { $0.exact || precision == .float32 ? single : PK_DENSE_BF16 }
        let sizes = zip(layout.layers, kinds).map { pk_dense_size($1, $0.weight.rows, $0.weight.columns) }
        storage = .allocate(byteCount: max(64, 4 * sizes.reduce(0, +)), alignment: 64)
        var words = storage.bindMemory(to: Float.self, capacity: sizes.reduce(0, +))
        values.withUnsafeBufferPointer { values in
            for ((layer, kind), size) in zip(zip(layout.layers, kinds), sizes) {
                let w = layer.weight
                pk_dense_pack(
                    kind, w.rows, w.columns, values.baseAddress! + w.offset, values.baseAddress! + layer.bias.offset,
                    words)
                layers[w.offset] = Layer(kind: kind, depth: w.rows, columns: w.columns, words: words)
                words += size
            }
        }
    }

    deinit { storage.deallocate() }

    /// The layer with this weight.
    public subscript(_ weight: ParameterReference) -> Layer { layers[weight.offset]! }
}
