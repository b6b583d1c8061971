SELECT
  "t6"."play_id",
  "t13"."impression_id",
  "t6"."user_id",
  "t6"."item_id",
  "t6"."played_at",
  "t13"."t0",
  COALESCE("t13"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM (
  SELECT
    *
  FROM "plays" AS "t0"
  WHERE
    (
      "t0"."seconds" IS NULL
    ) OR (
      "t0"."seconds" >= CAST(5.0 AS DOUBLE)
    )
) AS "t6"
LEFT OUTER JOIN (
  SELECT
    "t11"."play_id",
    "t11"."impression_id",
    "t11"."t0",
    "t11"."credit"
  FROM (
    SELECT
      "t10"."play_id",
      "t10"."impression_id",
      "t10"."t0",
      "t10"."place",
      CAST('1' AS DOUBLE) AS "credit"
    FROM (
      SELECT
        "t9"."play_id",
        "t9"."impression_id",
        "t9"."t0",
        ROW_NUMBER() OVER (PARTITION BY "t9"."play_id" ORDER BY "t9"."t0" DESC, "t9"."impression_id" DESC) - 1 AS "place"
      FROM (
        SELECT
          "t8"."play_id",
          "t8"."impression_id",
          "t8"."t0"
        FROM (
          SELECT
            "t7"."play_id",
            "t5"."impression_id",
            "t5"."t0",
            "t7"."played_at"
          FROM (
            SELECT
              "t1"."impression_id",
              "t1"."user_id",
              "t1"."item_id",
              "t1"."t0"
            FROM "impressions" AS "t1"
            WHERE
              COALESCE("t1"."viewable", TRUE)
          ) AS "t5"
          INNER JOIN (
            SELECT
              "t0"."play_id",
              "t0"."user_id",
              "t0"."item_id",
              "t0"."played_at",
              "t0"."played_at" - INTERVAL '86400' SECOND AS "opens",
              "t0"."played_at" - INTERVAL '0' SECOND AS "closes"
            FROM "plays" AS "t0"
            WHERE
              (
                "t0"."seconds" IS NULL
              ) OR (
                "t0"."seconds" >= CAST(5.0 AS DOUBLE)
              )
          ) AS "t7"
            ON "t5"."user_id" = "t7"."user_id"
            AND "t5"."item_id" = "t7"."item_id"
            AND "t5"."t0" > "t7"."opens"
            AND "t5"."t0" <= "t7"."closes"
        ) AS "t8"
      ) AS "t9"
    ) AS "t10"
    WHERE
      "t10"."place" = 0
  ) AS "t11"
) AS "t13"
  ON "t6"."play_id" = "t13"."play_id"
