import ModelSpace

/// The sizes of a network that a recipe may choose.
public struct NetworkConfiguration: BoundedSettings, Codable, Sendable, Equatable {
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

    public static let settings: [Setting<NetworkConfiguration>] = [
        .whole("width", \.width, 1...1024), .whole("heads", \.heads, 1...64), .whole("latents", \.latents, 1...256),
        .whole("blocksPerReading", \.blocksPerReading, 0...16), .whole("structureBlocks", \.structureBlocks, 1...16),
        .whole("parameterWidth", \.parameterWidth, 1...1024), .whole("parameterHeads", \.parameterHeads, 1...64),
        .whole("parameterBlocks", \.parameterBlocks, 1...16),
    ]

    /// A hundred times what the built-in network has.
    private static let mostWeights = 100_000_000

    public var conflict: String? {
        if width % heads != 0 { return "'width', \(width), must be a multiple of 'heads', \(heads)" }
        if parameterWidth % parameterHeads != 0 {
            return "'parameterWidth', \(parameterWidth), must be a multiple of 'parameterHeads', \(parameterHeads)"
        }
        // Sizes that are each allowed can still ask for gigabytes together; a block has some 25 width² weights.
        let weights =
            25
            * (width * width * (2 * blocksPerReading + structureBlocks) + parameterWidth * parameterWidth
                * parameterBlocks)
        if weights > Self.mostWeights {
            return
                """
                widths and blocks together make some \(weights / 1_000_000) million weights, more than \
                \(Self.mostWeights / 1_000_000) million
                """
        }
        return nil
    }
}

/// What a network must know of its family: sizes only.
public struct FamilyShape: BoundedSettings, Codable, Sendable, Equatable {
    public var features: Int, summaries: Int, components: Int, tokens: Int, coordinates: Int

    public static let settings: [Setting<FamilyShape>] = [
        .whole("features", \.features, 1...1024), .whole("summaries", \.summaries, 1...1024),
        .whole("components", \.components, 1...Structure.mostBits),
        .whole("tokens", \.tokens, 1...2 * Structure.mostBits), .whole("coordinates", \.coordinates, 1...256),
    ]

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
