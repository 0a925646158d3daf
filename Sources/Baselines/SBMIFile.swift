import Foundation
import ModelSpace
import Networks
import Tensors

/// A trained `SBMINetwork` with its origin, as stored in a safetensors file.
public struct SBMIFile: Sendable {
    public let network: SBMINetwork
    public let weights: [Float]
    public let origin: NetworkOrigin

    private struct Description: Codable {
        var shape: FamilyShape, configuration: NetworkConfiguration, sbmi: SBMIConfiguration, origin: NetworkOrigin
    }

    public init(network: SBMINetwork, weights: [Float], origin: NetworkOrigin) {
        (self.network, self.weights, self.origin) = (network, weights, origin)
    }

    /// Whether a file says that it holds such a network.
    public static func isOne(_ path: String) -> Bool {
        (try? SafetensorsReader(path: path))?.metadata["sbmi"] != nil
    }

    /// - Errors: SafetensorsError, NetworkFileError.
    public init(path: String) throws {
        let file = try SafetensorsReader(path: path)
        guard let text = file.metadata["sbmi"],
            let found = try? JSONDecoder().decode(Description.self, from: Data(text.utf8))
        else { throw NetworkFileError.notANetwork(path: path, missing: "sbmi") }
        // Sizes are believed only within their bounds, before anything is made of them.
        if let fault = found.shape.fault ?? found.configuration.fault ?? found.sbmi.fault ?? found.origin.fault
            ?? found.sbmi.conflict(with: found.shape)
        {
            throw NetworkFileError.unusable(path: path, reason: fault)
        }
        network = SBMINetwork(found.shape, found.configuration, found.sbmi)
        weights = try network.layout.read(file)
        origin = found.origin
    }

    /// The file appears only when it is complete.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let description = Description(
            shape: network.shape, configuration: network.configuration, sbmi: network.sbmi, origin: origin)
        try SafetensorsWriter.write(
            network.layout.tensors(weights),
            metadata: ["sbmi": String(decoding: try encoder.encode(description), as: UTF8.self)], to: path)
    }
}
