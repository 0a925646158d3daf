import Diffusion

/// Voxels that have the same measurements, ready for an engine.
package struct VoxelGroup {
    /// Positions of the measurements; nil for all of them.
    package var kept: [Int]?
    /// The voxels' places among those gathered, ascending; their signals over mean b≈0, each as many as there are
    /// measurements.
    package var members: [Int] = [], y: [Float] = []

    /// Normalises voxels (raw signals, V × M) and groups those that can be fitted, whole ones first.
    /// - Parameter note: told of each voxel in turn.
    package static func gather(
        _ signals: UnsafeBufferPointer<Float>, _ acquisition: Acquisition, _ rules: SignalRules,
        note: (Int, VoxelNormalisation.Voxel) -> Void
    ) -> [VoxelGroup] {
        let m = acquisition.count
        var groups = [VoxelGroup()], row = [Float](repeating: 0, count: m)
        for i in 0..<signals.count / m {
            let voxel = VoxelNormalisation.normalise(
                UnsafeBufferPointer(rebasing: signals[i * m..<(i + 1) * m]), acquisition, rules, into: &row)
            note(i, voxel)
            if voxel.quality.contains(.notFitted) { continue }
            let g = groups.firstIndex { $0.kept == voxel.kept } ?? groups.count
            if g == groups.count { groups.append(VoxelGroup(kept: voxel.kept)) }
            groups[g].members.append(i)
            groups[g].y += row.prefix(voxel.kept?.count ?? m)
        }
        return groups.filter { !$0.members.isEmpty }
    }
}

/// One thread's engines: for voxels with all measurements, and for the last few patterns of missing ones, made as they
/// come. Neighbouring voxels mostly lack the same volumes.
package final class GroupEngines {
    package struct Part {
        package let acquisition: Acquisition, engine: any PosteriorEngine
    }
    private static let capacity = 8
    private let whole: Part, shouldStop: @Sendable () -> Bool
    /// The last used last.
    private var parts: [(kept: [Int], part: Part?)] = []

    /// - Parameter shouldStop: handed on to every engine (`PosteriorEngine.stop`).
    package init(
        _ recipe: any EngineRecipe, _ acquisition: Acquisition, shouldStop: @escaping @Sendable () -> Bool = { false }
    ) {
        self.shouldStop = shouldStop
        whole = Part(acquisition: acquisition, engine: recipe.makeEngine())
        whole.engine.stop(when: shouldStop)
    }

    /// Posteriors of voxels with a part's measurements.
    /// - Parameter designs: each voxel's own where they differ (deviating gradients); nil where it is the part's.
    package func posteriors(
        _ part: Part, _ y: [Float], keys: [UInt64], sigma: [Double?], designs: [Acquisition]?
    ) -> [VoxelPosterior] {
        guard let designs else { return part.engine.posteriors(y, count: keys.count, keys: keys, sigma: sigma) }
        if let engine = part.engine as? any DesignsEngine {
            return engine.posteriors(y, keys: keys, sigma: sigma, designs: designs)
        }
        var answers: [VoxelPosterior] = []
        for (v, design) in designs.enumerated() {
            let engine = part.engine.restricted(to: design), m = design.count
            engine.stop(when: shouldStop)
            answers += engine.posteriors(
                Array(y[v * m..<(v + 1) * m]), count: 1, keys: [keys[v]], sigma: sigma.isEmpty ? [] : [sigma[v]])
            if answers.count <= v { break }
        }
        return answers
    }

    /// The engine for a group's measurements; nil where they are too few to fit anything.
    package func part(_ kept: [Int]?) -> Part? {
        guard let kept else { return whole }
        if let place = parts.firstIndex(where: { $0.kept == kept }) {
            parts.append(parts.remove(at: place))
        } else {
            if parts.count == Self.capacity { parts.removeFirst() }
            parts.append(
                (
                    kept,
                    whole.acquisition.keeping(kept).map { acquisition in
                        let engine = whole.engine.restricted(to: acquisition)
                        engine.stop(when: shouldStop)
                        return Part(acquisition: acquisition, engine: engine)
                    }
                ))
        }
        return parts.last!.part
    }
}
