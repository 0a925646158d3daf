import Foundation
import ModelSpace
import Networks

/// What `SBMINetwork` has beside the encoder, and the prior that it is trained with.
public struct SBMIConfiguration: BoundedSettings, Codable, Sendable, Equatable {
    /// λ of all simulations: the network has no such input.
    public var lambda: Double
    /// Parts of the mixtures.
    public var structureComponents = 3, parameterComponents = 3
    /// Width of the layers between the latents and the mixtures.
    public var hidden = 128
    /// Standard deviation of normal noise that is added to coordinates in training, 0 to 1; nil for none. Coordinates
    /// on a surface, as an axis' dyad, have a density only so: without it the mixture's grows for ever.
    public var blur: Double?
    /// Which entries of the T × Q coordinates any structure has, rising: the mixture's dimensions.
    public var coordinates: [Int]

    /// Of a family whose structures have, all together, the coordinates of these masks.
    public init(lambda: Double, masks: [[Float]], blur: Double? = nil) {
        (self.lambda, self.blur) = (lambda, blur)
        coordinates = (masks.first ?? []).indices.filter { i in masks.contains { $0[i] != 0 } }
    }

    public static let settings: [Setting<SBMIConfiguration>] = [
        .real("lambda", \.lambda, 0...100), .whole("structureComponents", \.structureComponents, 1...32),
        .whole("parameterComponents", \.parameterComponents, 1...32), .whole("hidden", \.hidden, 1...1024),
    ]

    private static let mostDimensions = 512

    public var conflict: String? {
        if coordinates.count > Self.mostDimensions || !(coordinates.first ?? 0 >= 0)
            || !zip(coordinates, coordinates.dropFirst()).allSatisfy({ $0 < $1 })
        {
            return "'coordinates' must be at most \(Self.mostDimensions) rising places"
        }
        if let blur, !(0...1).contains(blur) { return "'blur' must lie between 0 and 1" }
        return nil
    }

    /// A line that says all of it, to be kept below a recipe's text: a comment of YAML.
    public func recipeLine() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return "\n# sbmi: " + String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Why it does not go with a family's sizes; nil when it does.
    func conflict(with shape: FamilyShape) -> String? {
        coordinates.last ?? 0 < shape.tokens * shape.coordinates
            ? nil : "'coordinates' has places that its family does not have"
    }
}
