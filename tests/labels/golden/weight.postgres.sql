WITH "t24" AS (
  SELECT
    "t21"."user_id",
    "t21"."item_id",
    "t21"."t0",
    "t21"."horizon_end",
    "t21"."treatment",
    "t21"."sampling_weight",
    "t21"."next_play",
    "t21"."censoring_cohort",
    SUM("t21"."censoring_whole") OVER (
      PARTITION BY "t21"."censoring_cohort"
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS "censoring_whole",
    "t21"."determined",
    COUNT(*) OVER (
      PARTITION BY "t21"."censoring_cohort"
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS "censoring_all"
  FROM (
    SELECT
      "t19"."user_id",
      "t19"."item_id",
      "t19"."t0",
      "t19"."horizon_end",
      "t19"."treatment",
      "t19"."sampling_weight",
      "t19"."next_play",
      CAST(FLOOR(
        CAST((
          CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t19"."t0")) AS BIGINT)
        ) AS DOUBLE PRECISION) / (
          86400
        )
      ) AS BIGINT) AS "censoring_cohort",
      CAST(CASE
        WHEN "t19"."horizon_end" <= CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
        THEN 1
        WHEN NOT (
          "t19"."horizon_end" <= CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
        )
        THEN 0
        ELSE NULL
      END AS BIGINT) AS "censoring_whole",
      (
        "t19"."horizon_end" <= CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
      )
      OR COALESCE(
        (
          "t19"."next_play" < "t19"."horizon_end"
        )
        AND (
          "t19"."next_play" < CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
        ),
        FALSE
      ) AS "determined"
    FROM (
      SELECT
        "t12"."user_id",
        "t12"."item_id",
        "t12"."t0",
        "t12"."horizon_end",
        "t12"."treatment",
        "t12"."sampling_weight",
        "t16"."played_at" AS "next_play"
      FROM (
        SELECT
          "t2"."user_id",
          "t2"."item_id",
          "t2"."t0",
          "t2"."t0" + INTERVAL '86400 SECOND' AS "horizon_end",
          CAST(CASE WHEN "t2"."shown" THEN 1 WHEN NOT (
            "t2"."shown"
          ) THEN 0 ELSE NULL END AS SMALLINT) AS "treatment",
          CAST(1 AS DOUBLE PRECISION) AS "sampling_weight"
        FROM "candidates" AS "t2"
      ) AS "t12"
      LEFT OUTER JOIN (
        SELECT
          "t3"."user_id",
          "t3"."item_id",
          "t3"."played_at",
          COALESCE(
            LAG("t3"."played_at") OVER (
              PARTITION BY "t3"."user_id", "t3"."item_id"
              ORDER BY "t3"."played_at" ASC
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ),
            CAST('0001-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
          ) AS "previous"
        FROM (
          SELECT
            "t1"."user_id",
            "t1"."item_id",
            "t1"."played_at"
          FROM "plays" AS "t1"
        ) AS "t3"
      ) AS "t16"
        ON "t12"."user_id" = "t16"."user_id"
        AND "t12"."item_id" = "t16"."item_id"
        AND "t12"."t0" > "t16"."previous"
        AND "t12"."t0" <= "t16"."played_at"
    ) AS "t19"
  ) AS "t21"
)
SELECT
  "t41"."user_id",
  "t41"."item_id",
  "t41"."t0",
  "t41"."horizon_end",
  "t41"."treatment",
  "t41"."outcome",
  CASE
    WHEN (
      "t41"."treatment" = 1
    )
    AND (
      "t41"."outcome" = 1
    )
    AND COALESCE("t41"."first_credited" < "t41"."horizon_end", FALSE)
    THEN 'attributed_play'
    WHEN "t41"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t41"."treatment" = 1
    ) AND COALESCE("t41"."unviewable", FALSE)
    THEN 'unviewable'
    WHEN "t41"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t41"."sampling_weight",
  "t41"."censoring_weight",
  "t41"."sampling_weight" * "t41"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t40"."user_id",
    "t40"."item_id",
    "t40"."t0",
    "t40"."horizon_end",
    "t40"."treatment",
    "t40"."sampling_weight",
    "t40"."censoring_weight",
    "t40"."outcome",
    "t33"."first_credited",
    "t15"."unviewable"
  FROM (
    SELECT
      "t38"."user_id",
      "t38"."item_id",
      "t38"."t0",
      "t38"."horizon_end",
      "t38"."treatment",
      "t38"."sampling_weight",
      "t38"."censoring_weight",
      "t38"."outcome"
    FROM (
      SELECT
        "t37"."user_id",
        "t37"."item_id",
        "t37"."t0",
        "t37"."horizon_end",
        "t37"."treatment",
        "t37"."sampling_weight",
        "t37"."next_play",
        "t37"."censoring_weight",
        CAST(CASE
          WHEN COALESCE("t37"."next_play" < "t37"."horizon_end", FALSE)
          THEN 1
          WHEN NOT (
            COALESCE("t37"."next_play" < "t37"."horizon_end", FALSE)
          )
          THEN 0
          ELSE NULL
        END AS SMALLINT) AS "outcome"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t26"."user_id",
            "t26"."item_id",
            "t26"."t0",
            "t26"."horizon_end",
            "t26"."treatment",
            "t26"."sampling_weight",
            "t26"."next_play",
            CAST(1 AS DOUBLE PRECISION) AS "censoring_weight"
          FROM "t24" AS "t26"
          WHERE
            NOT (
              "t26"."censoring_whole" < "t26"."censoring_all"
            )
        ) AS "t28"
        UNION ALL
        SELECT
          *
        FROM (
          SELECT
            "t35"."user_id",
            "t35"."item_id",
            "t35"."t0",
            "t35"."horizon_end",
            "t35"."treatment",
            "t35"."sampling_weight",
            "t35"."next_play",
            CAST("t35"."censoring_all" AS DOUBLE PRECISION) / CAST("t35"."censoring_risk" AS DOUBLE PRECISION) AS "censoring_weight"
          FROM (
            SELECT
              "t34"."user_id",
              "t34"."item_id",
              "t34"."t0",
              "t34"."horizon_end",
              "t34"."treatment",
              "t34"."sampling_weight",
              "t34"."next_play",
              "t34"."censoring_cohort",
              "t34"."censoring_whole",
              "t34"."determined",
              "t34"."censoring_all",
              "t34"."censoring_second",
              "t34"."censoring_kind",
              SUM(1 - "t34"."censoring_kind") OVER (
                PARTITION BY "t34"."censoring_cohort"
                ORDER BY "t34"."censoring_second" ASC, "t34"."censoring_kind" ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
              ) AS "censoring_risk"
            FROM (
              SELECT
                *
              FROM (
                SELECT
                  "t26"."user_id",
                  "t26"."item_id",
                  "t26"."t0",
                  "t26"."horizon_end",
                  "t26"."treatment",
                  "t26"."sampling_weight",
                  "t26"."next_play",
                  "t26"."censoring_cohort",
                  "t26"."censoring_whole",
                  "t26"."determined",
                  "t26"."censoring_all",
                  CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t26"."t0")) AS BIGINT) AS "censoring_second",
                  0 AS "censoring_kind"
                FROM "t24" AS "t26"
                WHERE
                  "t26"."censoring_whole" < "t26"."censoring_all"
              ) AS "t29"
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  "t26"."user_id",
                  "t26"."item_id",
                  "t26"."t0",
                  "t26"."horizon_end",
                  "t26"."treatment",
                  "t26"."sampling_weight",
                  "t26"."next_play",
                  "t26"."censoring_cohort",
                  "t26"."censoring_whole",
                  "t26"."determined",
                  "t26"."censoring_all",
                  CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ))) AS BIGINT) - (
                    CAST(EXTRACT('epoch' FROM DATE_TRUNC(
                      'SECOND',
                      CASE
                        WHEN COALESCE("t26"."next_play" < "t26"."horizon_end", FALSE)
                        THEN "t26"."next_play"
                        ELSE "t26"."horizon_end"
                      END
                    )) AS BIGINT) - CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t26"."t0")) AS BIGINT)
                  ) AS "censoring_second",
                  1 AS "censoring_kind"
                FROM "t24" AS "t26"
                WHERE
                  "t26"."censoring_whole" < "t26"."censoring_all"
                  AND "t26"."determined"
                  AND "t26"."censoring_whole" >= (
                    "t26"."censoring_all" * 0.1
                  )
              ) AS "t32"
            ) AS "t34"
          ) AS "t35"
          WHERE
            "t35"."censoring_kind" = 1
        ) AS "t36"
      ) AS "t37"
    ) AS "t38"
  ) AS "t40"
  LEFT OUTER JOIN (
    SELECT
      "t30"."user_id",
      "t30"."item_id",
      "t30"."t0",
      MIN("t30"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t9"."play_id",
          "t25"."impression_id",
          "t9"."user_id",
          "t9"."item_id",
          "t9"."played_at",
          "t25"."t0",
          COALESCE("t25"."credit", 1.0) AS "credit"
        FROM (
          SELECT
            *
          FROM "plays" AS "t1"
          WHERE
            (
              "t1"."seconds" IS NULL
            ) OR (
              "t1"."seconds" >= 5.0
            )
        ) AS "t9"
        LEFT OUTER JOIN (
          SELECT
            "t22"."play_id",
            "t22"."impression_id",
            "t22"."t0",
            "t22"."credit"
          FROM (
            SELECT
              "t20"."play_id",
              "t20"."impression_id",
              "t20"."t0",
              "t20"."place",
              CAST("t20"."place" + 1 AS DOUBLE PRECISION) AS "credit"
            FROM (
              SELECT
                "t18"."play_id",
                "t18"."impression_id",
                "t18"."t0",
                ROW_NUMBER() OVER (
                  PARTITION BY "t18"."play_id"
                  ORDER BY "t18"."t0" DESC NULLS LAST, "t18"."impression_id" DESC NULLS LAST
                  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) - 1 AS "place"
              FROM (
                SELECT
                  "t17"."play_id",
                  "t17"."impression_id",
                  "t17"."t0"
                FROM (
                  SELECT
                    "t10"."play_id",
                    "t6"."impression_id",
                    "t6"."t0",
                    "t10"."played_at"
                  FROM (
                    SELECT
                      "t0"."impression_id",
                      "t0"."user_id",
                      "t0"."item_id",
                      "t0"."t0"
                    FROM "impressions" AS "t0"
                    WHERE
                      COALESCE("t0"."viewable", TRUE)
                  ) AS "t6"
                  INNER JOIN (
                    SELECT
                      "t1"."play_id",
                      "t1"."user_id",
                      "t1"."item_id",
                      "t1"."played_at",
                      "t1"."played_at" - INTERVAL '86400 SECOND' AS "opens",
                      "t1"."played_at" - INTERVAL '0 SECOND' AS "closes"
                    FROM "plays" AS "t1"
                    WHERE
                      (
                        "t1"."seconds" IS NULL
                      ) OR (
                        "t1"."seconds" >= 5.0
                      )
                  ) AS "t10"
                    ON "t6"."user_id" = "t10"."user_id"
                    AND "t6"."item_id" = "t10"."item_id"
                    AND "t6"."t0" > "t10"."opens"
                    AND "t6"."t0" <= "t10"."closes"
                ) AS "t17"
              ) AS "t18"
            ) AS "t20"
            WHERE
              "t20"."place" = 0
          ) AS "t22"
        ) AS "t25"
          ON "t9"."play_id" = "t25"."play_id"
      ) AS "t27"
      WHERE
        "t27"."impression_id" IS NOT NULL
    ) AS "t30"
    GROUP BY
      1,
      2,
      3
  ) AS "t33"
    ON "t40"."user_id" = "t33"."user_id"
    AND "t40"."item_id" = "t33"."item_id"
    AND "t40"."t0" = "t33"."t0"
  LEFT OUTER JOIN (
    SELECT
      "t5"."user_id",
      "t5"."item_id",
      "t5"."t0",
      NOT (
        "t5"."seen"
      ) AS "unviewable"
    FROM (
      SELECT
        "t0"."user_id",
        "t0"."item_id",
        "t0"."t0",
        BOOL_OR(COALESCE("t0"."viewable", TRUE)) AS "seen"
      FROM "impressions" AS "t0"
      GROUP BY
        1,
        2,
        3
    ) AS "t5"
    WHERE
      NOT (
        "t5"."seen"
      )
  ) AS "t15"
    ON "t40"."user_id" = "t15"."user_id"
    AND "t40"."item_id" = "t15"."item_id"
    AND "t40"."t0" = "t15"."t0"
) AS "t41"
