import ModelSpace

/// The sizes of a network that a recipe may choose.
public struct NetworkConfiguration: Codable, Sendable, Equatable {
    /// Width of the encoder and of the structure decoder; a multiple of `heads`.
    public var width = 64
    public var heads = 4
    /// L, the learned latents that summarise a voxel.
    public var latents = 16
    /// Self-attention blocks on the latents after each of the two readings of the measurements.
    public var blocksPerReading = 2
    public var structureBlocks = 2
    /// Width of the parameter decoder, a multiple of `parameterHeads`.
    public var parameterWidth = 64
    public var parameterHeads = 4
    public var parameterBlocks = 3

    public init() {}
}

/// What a network must know of its family: sizes only.
public struct FamilyShape: Codable, Sendable, Equatable {
    public var features: Int, summaries: Int, components: Int, tokens: Int, coordinates: Int

    public init(features: Int, summaries: Int, components: Int, tokens: Int, coordinates: Int) {
        self.features = features
        self.summaries = summaries
        self.components = components
        self.tokens = tokens
        self.coordinates = coordinates
    }

    public init<F: ModelFamily>(_ family: F) {
        features = family.featureCount
        summaries = family.summaryCount
        components = family.componentNames.count
        tokens = family.tokenCount
        coordinates = family.coordinateCount
    }
}
