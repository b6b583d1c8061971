SELECT
  "t34"."user_id",
  "t34"."item_id",
  "t34"."t0",
  "t34"."horizon_end",
  "t34"."treatment",
  "t34"."outcome",
  CASE
    WHEN (
      "t34"."treatment" = 1
    ) AND (
      "t34"."outcome" = 1
    ) AND "t34"."credited"
    THEN 'attributed_play'
    WHEN "t34"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t34"."treatment" = 1
    ) AND "t34"."unviewable"
    THEN 'unviewable'
    WHEN (
      "t34"."treatment" = 1
    ) AND "t34"."unplayable"
    THEN 'unplayable'
    WHEN "t34"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t34"."sampling_weight",
  "t34"."censoring_weight",
  "t34"."sampling_weight" * "t34"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t28"."user_id",
    "t28"."item_id",
    "t28"."t0",
    "t28"."horizon_end",
    "t28"."treatment",
    "t28"."sampling_weight",
    "t28"."censoring_weight",
    "t28"."outcome",
    COALESCE("t33"."first_credited" < "t28"."horizon_end", FALSE) AS "credited",
    COALESCE(NOT (
      "t20"."seen"
    ), FALSE) AS "unviewable",
    NOT (
      TRUE
      AND (
        (
          "t6"."available_from" IS NULL
        ) OR (
          "t6"."available_from" <= "t28"."t0"
        )
      )
      AND (
        (
          "t6"."available_until" IS NULL
        ) OR (
          "t28"."t0" < "t6"."available_until"
        )
      )
    ) AS "unplayable"
  FROM (
    SELECT
      "t24"."user_id",
      "t24"."item_id",
      "t24"."t0",
      "t24"."horizon_end",
      "t24"."treatment",
      "t24"."sampling_weight",
      "t24"."censoring_weight",
      "t24"."outcome"
    FROM (
      SELECT
        "t22"."user_id",
        "t22"."item_id",
        "t22"."t0",
        "t22"."horizon_end",
        "t22"."treatment",
        "t22"."sampling_weight",
        "t22"."next_play",
        CAST(1 AS DOUBLE PRECISION) AS "censoring_weight",
        CAST(CASE
          WHEN COALESCE("t22"."next_play" < "t22"."horizon_end", FALSE)
          THEN 1
          WHEN NOT (
            COALESCE("t22"."next_play" < "t22"."horizon_end", FALSE)
          )
          THEN 0
          ELSE NULL
        END AS SMALLINT) AS "outcome"
      FROM (
        SELECT
          "t14"."user_id",
          "t14"."item_id",
          "t14"."t0",
          "t14"."horizon_end",
          "t14"."treatment",
          "t14"."sampling_weight",
          "t17"."played_at" AS "next_play"
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
          WHERE
            (
              "t2"."t0" + INTERVAL '86400 SECOND'
            ) <= CAST('2024-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
        ) AS "t14"
        LEFT OUTER JOIN (
          SELECT
            "t5"."user_id",
            "t5"."item_id",
            "t5"."played_at",
            COALESCE(
              LAG("t5"."played_at") OVER (
                PARTITION BY "t5"."user_id", "t5"."item_id"
                ORDER BY "t5"."played_at" ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
              ),
              CAST('0001-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
            ) AS "previous"
          FROM (
            SELECT
              "t3"."user_id",
              "t3"."item_id",
              "t3"."played_at"
            FROM "plays" AS "t3"
          ) AS "t5"
        ) AS "t17"
          ON "t14"."user_id" = "t17"."user_id"
          AND "t14"."item_id" = "t17"."item_id"
          AND "t14"."t0" > "t17"."previous"
          AND "t14"."t0" <= "t17"."played_at"
      ) AS "t22"
    ) AS "t24"
  ) AS "t28"
  LEFT OUTER JOIN (
    SELECT
      "t31"."user_id",
      "t31"."item_id",
      "t31"."t0",
      MIN("t31"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t12"."play_id",
          "t29"."impression_id",
          "t12"."user_id",
          "t12"."item_id",
          "t12"."played_at",
          "t29"."t0",
          COALESCE("t29"."credit", CAST(1 AS DOUBLE PRECISION)) AS "credit"
        FROM (
          SELECT
            *
          FROM "plays" AS "t3"
          WHERE
            (
              "t3"."seconds" IS NULL
            ) OR (
              "t3"."seconds" >= 5.0
            )
        ) AS "t12"
        LEFT OUTER JOIN (
          SELECT
            "t25"."play_id",
            "t25"."impression_id",
            "t25"."t0",
            "t25"."credit"
          FROM (
            SELECT
              "t23"."play_id",
              "t23"."impression_id",
              "t23"."t0",
              "t23"."place",
              CAST('1' AS DOUBLE PRECISION) AS "credit"
            FROM (
              SELECT
                "t21"."play_id",
                "t21"."impression_id",
                "t21"."t0",
                ROW_NUMBER() OVER (
                  PARTITION BY "t21"."play_id"
                  ORDER BY "t21"."t0" DESC NULLS LAST, "t21"."impression_id" DESC NULLS LAST
                  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) - 1 AS "place"
              FROM (
                SELECT
                  "t18"."play_id",
                  "t18"."impression_id",
                  "t18"."t0"
                FROM (
                  SELECT
                    "t13"."play_id",
                    "t8"."impression_id",
                    "t8"."t0",
                    "t13"."played_at"
                  FROM (
                    SELECT
                      "t1"."impression_id",
                      "t1"."user_id",
                      "t1"."item_id",
                      "t1"."t0"
                    FROM "impressions" AS "t1"
                    WHERE
                      COALESCE("t1"."viewable", TRUE)
                  ) AS "t8"
                  INNER JOIN (
                    SELECT
                      "t3"."play_id",
                      "t3"."user_id",
                      "t3"."item_id",
                      "t3"."played_at",
                      "t3"."played_at" - INTERVAL '86400 SECOND' AS "opens",
                      "t3"."played_at" - INTERVAL '0 SECOND' AS "closes"
                    FROM "plays" AS "t3"
                    WHERE
                      (
                        "t3"."seconds" IS NULL
                      ) OR (
                        "t3"."seconds" >= 5.0
                      )
                  ) AS "t13"
                    ON "t8"."user_id" = "t13"."user_id"
                    AND "t8"."item_id" = "t13"."item_id"
                    AND "t8"."t0" > "t13"."opens"
                    AND "t8"."t0" <= "t13"."closes"
                ) AS "t18"
              ) AS "t21"
            ) AS "t23"
            WHERE
              "t23"."place" = 0
          ) AS "t25"
        ) AS "t29"
          ON "t12"."play_id" = "t29"."play_id"
      ) AS "t30"
      WHERE
        "t30"."impression_id" IS NOT NULL
    ) AS "t31"
    GROUP BY
      1,
      2,
      3
  ) AS "t33"
    ON "t28"."user_id" = "t33"."user_id"
    AND "t28"."item_id" = "t33"."item_id"
    AND "t28"."t0" = "t33"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM (
      SELECT
        "t1"."user_id",
        "t1"."item_id",
        "t1"."t0",
        BOOL_OR(
          COALESCE(
            "t1"."viewable"
            AND (
              (
                "t1"."viewable_ms" > 0
              ) AND (
                "t1"."viewable_ms" >= 0.0
              )
            ),
            "t1"."viewable",
            (
              "t1"."viewable_ms" > 0
            ) AND (
              "t1"."viewable_ms" >= 0.0
            ),
            TRUE
          )
        ) AS "seen"
      FROM "impressions" AS "t1"
      GROUP BY
        1,
        2,
        3
    ) AS "t15"
    WHERE
      NOT (
        "t15"."seen"
      )
  ) AS "t20"
    ON "t28"."user_id" = "t20"."user_id"
    AND "t28"."item_id" = "t20"."item_id"
    AND "t28"."t0" = "t20"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM "items" AS "t0"
  ) AS "t6"
    ON "t28"."item_id" = "t6"."item_id"
) AS "t34"
