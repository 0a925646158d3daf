/// Whether a scan's gradient directions point where its fibres do: every change of the table's axes, ranked by how well
/// fibres go on in the voxels that they point at.
///
/// A tensor in each voxel gives its fibre's axis e and anisotropy F. With the table changed by T the axis is T·e, so
/// that one fit serves all 24 changes. What continues along a fibre is judged by s = min(F_w/F_v, 1)·(e_v·e_w)² of a
/// voxel v and its 26 neighbours w, which no change alters; T only decides which of the neighbours lie along the fibre:
///
///     x_v(T) = Σ_w k_w (s_w − s̄) / (1 + Σ_w k_w)        k_w = |T e_v · u_w|⁸ / d_w²,   s̄ the mean of s_w
///     coherence C(T) = Σ_v F_v x_v(T) / Σ_v F_v           over voxels with F > 0.2 and the diffusivity of tissue
///
/// u_w is the unit vector to the neighbour and d_w its distance over the smallest voxel size, so that neither the size
/// of voxels nor the edge of a slab favours a direction. Standard errors of differences of C are those of a sum over
/// blocks of 4×4×4 voxels, which vary independently.
///
/// - Source: the fibre coherence index of Schilling et al., Magn. Reson. Imaging 58 (2019) 82; with streamlines instead
///   of neighbours
///   Jeurissen et al., Med. Image Anal. 18 (2014) 953 (MRtrix3's dwigradcheck).
public struct OrientationTest: Sendable, Equatable {
    public enum Verdict: String, Sendable, Codable {
        /// The table as it is is the best, and every change of it is worse by the limit at least.
        case right
        /// Some change is better than the table as it is by the limit at least.
        case wrong
        /// Neither.
        case undecided
    }

    public struct Candidate: Sendable, Equatable {
        public let change: AxisChange
        /// C, about 0 where directions mean nothing and 0.1 where they are right.
        public let coherence: Double
        /// How far C lies below that of the best candidate, in standard errors of the difference; 0 for the best.
        public let deficit: Double
    }

    /// All 24, best first.
    public let candidates: [Candidate]
    /// Voxels with a fibre and the blocks that they lie in.
    public let voxels: Int, blocks: Int
    /// Whether most of these have neighbours along all three axes of the grid.
    public let isSolid: Bool

    /// Standard errors by which candidates are told apart. Of 1764 random crops of three real scans that held enough,
    /// the right table never lay this far below another (5.0 at most, in crops of 30 blocks).
    public static let limit = 6.0
    /// Fewer than these say nothing.
    public static let leastVoxels = 50, leastBlocks = 20

    /// Whether there is enough to compare at all.
    public var hasEnough: Bool { voxels >= Self.leastVoxels && blocks >= Self.leastBlocks && isSolid }

    public var best: Candidate { candidates[0] }

    /// The candidate that leaves the table as it is.
    public var asGiven: Candidate { candidates.first { $0.change == .none }! }

    /// The changes, or none, that the scan does not rule out.
    public var remaining: [AxisChange] { candidates.filter { $0.deficit < Self.limit }.map(\.change) }

    public var verdict: Verdict {
        guard hasEnough else { return .undecided }
        if asGiven.deficit >= Self.limit { return .wrong }
        return remaining == [.none] ? .right : .undecided
    }

    /// How sure the verdict is, in standard errors: of the table as it is over the hardest to tell from it, or of the
    /// best over the table as it is.
    public var margin: Double {
        best.change == .none ? candidates.dropFirst().map(\.deficit).min()! : asGiven.deficit
    }
}
