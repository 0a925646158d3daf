import CCrypto
import CNetworks
import Foundation
import ModelSpace
import Tensors

/// A network with its weights and its origin, as stored in a safetensors file.
public struct NetworkFile: @unchecked Sendable {
    public let network: Network
    /// layout.count weights.
    public let weights: [Float]
    public let origin: NetworkOrigin
    /// The same weights as the workers run them.
    public let packed: PackedLayers
    /// SHA-256 of the whole file, lower-case hexadecimal; empty before it is stored.
    public let sha256: String

    public init(network: Network, weights: [Float], origin: NetworkOrigin) {
        self.network = network
        self.weights = weights
        self.origin = origin
        packed = PackedLayers(network.layout, values: weights)
        sha256 = ""
    }

    /// Reads a network.
    /// - Errors: SafetensorsError, NetworkFileError.
    public init(_ file: SafetensorsReader, sha256: String) throws {
        if file.metadata["sbmi"] != nil {
            throw NetworkFileError.baseline(path: file.path)
        }
        func decode<T: Decodable>(_ key: String) throws -> T {
            guard let text = file.metadata[key], let value = try? JSONDecoder().decode(T.self, from: Data(text.utf8))
            else {
                throw NetworkFileError.notANetwork(path: file.path, missing: key)
            }
            return value
        }
        let shape: FamilyShape = try decode("shape"), configuration: NetworkConfiguration = try decode("configuration")
        origin = try decode("origin")
        // Sizes are believed only within their bounds, before anything is made of them.
        if let fault = shape.fault ?? configuration.fault ?? origin.fault {
            throw NetworkFileError.unusable(path: file.path, reason: fault)
        }
        let network = Network(shape, configuration)
        weights = try network.layout.read(file)
        packed = PackedLayers(network.layout, values: weights)
        self.network = network
        self.sha256 = sha256
    }

    public init(path: String) throws {
        let file = try SafetensorsReader(path: path)
        try self.init(
            file, sha256: Self.digest(try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)))
    }

    /// The network of ball and sticks that is compiled into the program.
    public static func standard() throws -> NetworkFile { try builtIn("ball-sticks")! }

    /// What follows a family's name where its network is told of the timing of measurements.
    public static let timed = "-timed"

    /// The network that is compiled into the program for the family of that name; nil when there is none.
    public static func builtIn(_ family: String) throws -> NetworkFile? {
        var count = 0
        guard let start = pk_built_in_network(family, &count) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: start, count: count)
        let data = Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: count, deallocator: .none)
        return try NetworkFile(
            SafetensorsReader(embedded: bytes, name: "the built-in network of \(family)"), sha256: digest(data))
    }

    public func write(to path: String) throws {
        try SafetensorsWriter.write(
            network.layout.tensors(weights), metadata: try Self.metadata(network: network, origin: origin), to: path)
    }

    static func metadata(network: Network, origin: NetworkOrigin) throws -> [String: String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func text<T: Encodable>(_ value: T) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        return [
            "shape": try text(network.shape), "configuration": try text(network.configuration),
            "origin": try text(origin),
        ]
    }

    /// SHA-256 in lower-case hexadecimal.
    public static func digest(_ data: Data) -> String {
        var hash = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        data.withUnsafeBytes { _ = SHA256($0.bindMemory(to: UInt8.self).baseAddress, data.count, &hash) }
        return hash.map { String(format: "%02x", $0) }.joined()
    }
}

/// How a network came to be.
public struct NetworkOrigin: BoundedSettings, Codable, Sendable, Equatable {
    public var name: String
    public var family: String
    /// What a composed family is, in JSON; nil for one that the program knows by its name alone.
    public var familyDefinition: String?
    /// The training recipe's text.
    public var recipe: String
    public var simulations: Int
    public var steps: Int
    /// Losses over the last stretch of training, for the record; nil before the first step, and where they were not
    /// finite.
    public var structureLoss: Double?, parameterLoss: Double?
    /// Number format of the products of its training's last stretch; nil in files that do not say.
    public var precision: String?

    public static let settings: [Setting<NetworkOrigin>] = [
        .whole("simulations", \.simulations, 0...1_000_000_000_000_000),
        .whole("steps", \.steps, 0...1_000_000_000_000_000),
    ]

    public init(
        name: String, family: String, familyDefinition: String? = nil, recipe: String, simulations: Int, steps: Int,
        structureLoss: Double?, parameterLoss: Double?,
        precision: String? = nil
    ) {
        self.name = name
        self.family = family
        self.familyDefinition = familyDefinition
        self.recipe = recipe
        self.simulations = simulations
        self.steps = steps
        self.structureLoss = structureLoss.flatMap { $0.isFinite ? $0 : nil }
        self.parameterLoss = parameterLoss.flatMap { $0.isFinite ? $0 : nil }
        self.precision = precision
    }
}

/// What can be wrong with a network file beyond its container.
public enum NetworkFileError: Error, CustomStringConvertible, LocalizedError {
    case notANetwork(path: String, missing: String)
    case otherFamily(path: String, found: String, wanted: String)
    /// Of the method that this one is compared with.
    case baseline(path: String)
    /// Sizes out of bounds, or weights that are not finite.
    case unusable(path: String, reason: String)

    public var description: String {
        switch self {
        case .notANetwork(let path, let missing):
            """
            \(path) is not a prism-dmri network (no valid '\(missing)' in its metadata); give a file written by \
            'prism-dmri train'.
            """
        case .otherFamily(let path, let found, let wanted):
            """
            \(path) was trained for family '\(found)' but '\(wanted)' was asked for; choose the matching --family or \
            --network.
            """
        case .baseline(let path):
            """
            \(path) was trained with --method sbmi, a baseline that is only to be compared with; give a network that \
            was trained without it.
            """
        case .unusable(let path, let reason):
            "\(path) is not a usable network: \(reason); copy it again, or give another."
        }
    }
    public var errorDescription: String? { description }
}

extension ParameterLayout {
    /// The weights as named tensors.
    public func tensors(_ values: [Float], prefix: String = "") -> [(name: String, shape: [Int], values: [Float])] {
        references.map { (prefix + $0.name, [$0.rows, $0.columns], Array(values[$0.offset..<$0.offset + $0.count])) }
    }

    /// Whether those of the named tensors that are there have these shapes.
    public func hasShapes(of file: SafetensorsReader, prefix: String = "") -> Bool {
        references.allSatisfy { r in file.entry(prefix + r.name).map { $0.shape == [r.rows, r.columns] } ?? true }
    }

    /// Weights from named tensors of exactly these shapes, all of them finite.
    public func read(_ file: SafetensorsReader, prefix: String = "") throws -> [Float] {
        // All are there before memory is taken for them.
        for r in references { _ = try file.require(prefix + r.name, shape: [r.rows, r.columns]) }
        var values = [Float](repeating: 0, count: count)
        for r in references {
            let weights: [Float] = try file.array(prefix + r.name, shape: [r.rows, r.columns])
            guard weights.allSatisfy(\.isFinite) else {
                throw NetworkFileError.unusable(
                    path: file.path, reason: "the weights '\(prefix + r.name)' are not all finite")
            }
            values.replaceSubrange(r.offset..<r.offset + r.count, with: weights)
        }
        return values
    }
}
